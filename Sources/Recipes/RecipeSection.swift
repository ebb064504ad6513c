internal import Foundations

/// One section of a recipe, read key by key.
///
/// A getter records an error and returns the default or another valid value, so that one reading
/// finds every error; `RecipeDocument.read` throws them all and returns no value of a faulty
/// recipe. A given key that no getter has read is an error.
package final class RecipeSection {
  /// The dotted path from the root, empty for the root itself.
  package let path: String
  /// The place where the section starts; for an absent one, where its parent starts.
  package let origin: RecipeOrigin

  /// The values read so far, in order.
  private(set) var resolved: [(key: String, value: ResolvedValue)] = []

  let entries: [RecipeEntry]
  let reading: RecipeReading
  /// Whether the value is no section at all; nothing more is reported about its keys.
  let isBroken: Bool
  /// The keys that getters have read, in order.
  private(set) var readKeys: [String] = []
  /// The sections below that have been read.
  private(set) var children: [RecipeSection] = []

  init(
    path: String, origin: RecipeOrigin, entries: [RecipeEntry], reading: RecipeReading,
    isBroken: Bool = false
  ) {
    self.path = path
    self.origin = origin
    self.entries = entries
    self.reading = reading
    self.isBroken = isBroken
  }

  /// The keys given in this section, in the order of the file.
  package var givenKeys: [String] { entries.map(\.key) }

  /// Whether the recipe or `--set` gives the key.
  package func isGiven(_ key: String) -> Bool { entry(key) != nil }

  /// The form of a key's value, for settings that may be written in several ways. The key counts as
  /// read.
  package func shape(of key: String) -> RecipeShape {
    markRead(key)
    guard let entry = entry(key) else { return .absent }
    if entry.value.isNull { return .null }
    switch entry.value.content {
    case .scalar: return .scalar
    case .list: return .list
    case .section: return .section
    }
  }

  /// A value of a kind; without a default the key is required.
  package func value<Value>(
    _ key: String, _ kind: RecipeKind<Value>, default defaultValue: Value? = nil
  ) -> Value {
    markRead(key)
    let fallback = defaultValue ?? kind.standIn
    guard let entry = entry(key) else {
      if defaultValue == nil { missing(key) }
      record(key, kind.write(fallback))
      return fallback
    }
    let value = read(entry, kind) ?? fallback
    record(key, kind.write(value))
    return value
  }

  /// A value that may be absent or null.
  package func optional<Value>(_ key: String, _ kind: RecipeKind<Value>) -> Value? {
    markRead(key)
    var value: Value?
    if let entry = entry(key), !entry.value.isNull { value = read(entry, kind) }
    record(key, value.map(kind.write) ?? .scalar("null"))
    return value
  }

  /// A value that describes the recipe file itself, such as its evidence; may be absent or null.
  ///
  /// It is checked and has no place in the resolved recipe.
  package func annotation<Value>(_ key: String, _ kind: RecipeKind<Value>) -> Value? {
    markRead(key)
    guard let entry = entry(key), !entry.value.isNull else { return nil }
    return read(entry, kind)
  }

  /// A section; an absent one reads as empty, so that its defaults apply.
  package func section(_ key: String) -> RecipeSection {
    markRead(key)
    let child = child(key, entry(key))
    record(key, .section(child))
    return child
  }

  /// A list of sections, empty when it is absent.
  package func sections(_ key: String) -> [RecipeSection] {
    markRead(key)
    guard let entry = entry(key) else {
      record(key, .list([]))
      return []
    }
    guard case .list(let items) = entry.value.content else {
      fail(entry.value.issue(expected: "a list of sections"), key)
      record(key, .list([]))
      return []
    }
    let children = items.enumerated().map { index, item in
      child("\(key).\(index)", RecipeEntry(key: key, keyOrigin: item.origin, value: item))
    }
    record(key, .list(children.map(ResolvedValue.section)))
    return children
  }

  /// Records an error about a key's value that involves other keys, such as two that contradict
  /// each other.
  package func report(_ key: String, _ message: String) {
    fail(RecipeIssue(entry(key)?.value.origin ?? origin, message), key)
  }

  /// Records a warning about a key.
  package func warn(_ key: String, _ message: String) {
    guard !isBroken else { return }
    let place = entry(key)?.keyOrigin ?? origin
    reading.warnings.append(RecipeIssue(place, "\(name(key)): \(message)"))
  }

  /// Accepts a key that has no effect because of other settings, with a warning when it is given.
  ///
  /// - Parameter reason: completes "has no effect: ", for example `"weighting is none"`.
  package func unused(_ key: String, because reason: String) {
    markRead(key)
    if isGiven(key) { warn(key, "has no effect: \(reason)") }
  }

  /// A path relative to the recipe's folder, made absolute.
  func absolutePath(_ path: String) -> String {
    FileTree.absolutePath(path, in: reading.folder)
  }

  // MARK: - Reading one key

  private func entry(_ key: String) -> RecipeEntry? { entries.first { $0.key == key } }

  func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func markRead(_ key: String) {
    if !readKeys.contains(key) { readKeys.append(key) }
  }

  private func record(_ key: String, _ value: ResolvedValue) {
    if let index = resolved.firstIndex(where: { $0.key == key }) {
      resolved[index].value = value
    } else {
      resolved.append((key, value))
    }
  }

  private func read<Value>(_ entry: RecipeEntry, _ kind: RecipeKind<Value>) -> Value? {
    do throws(RecipeIssue) {
      return try kind.read(entry.value, reading)
    } catch {
      fail(renamedValue(entry) ?? error, entry.key)
      return nil
    }
  }

  /// The error about an earlier name of a value; nil for any other value.
  private func renamedValue(_ entry: RecipeEntry) -> RecipeIssue? {
    guard case .scalar(let scalar) = entry.value.content,
      let new = reading.renamed.value(scalar.text, of: name(entry.key))
    else { return nil }
    return RecipeIssue(entry.value.origin, "unknown value \"\(scalar.text)\"; it is now \"\(new)\"")
  }

  /// The section under a key; the same object each time.
  private func child(_ key: String, _ entry: RecipeEntry?) -> RecipeSection {
    if let known = children.first(where: { $0.path == name(key) }) { return known }
    var entries: [RecipeEntry] = []
    var isBroken = isBroken
    if case .section(let found)? = entry?.value.content {
      entries = found
    } else if let entry, !entry.value.isNull {
      fail(entry.value.issue(expected: "a section"), key)
      isBroken = true
    }
    let child = RecipeSection(
      path: name(key), origin: entry?.keyOrigin ?? origin, entries: entries, reading: reading,
      isBroken: isBroken)
    children.append(child)
    return child
  }

  private func missing(_ key: String) {
    let remedy = reading.options[name(key)].map { "; give it with \($0)" } ?? ""
    fail(RecipeIssue(origin, "is required and missing\(remedy)"), key)
  }

  private func fail(_ issue: RecipeIssue, _ key: String) {
    guard !isBroken else { return }
    reading.issues.append(RecipeIssue(issue.origin, "\(name(key)): \(issue.message)"))
  }
}

/// The form of a value in a recipe.
package enum RecipeShape: Sendable {
  case absent, null, scalar, list, section
}
