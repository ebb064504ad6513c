import Foundation
import Foundations

/// `model_index.json`: the class of a pipeline and of each of its components.
package struct ModelIndex {
  package static let fileName = "model_index.json"

  /// The folder of the index.
  package let folder: String
  /// `_class_name`.
  package let className: String
  private let entries: [String: Entry]

  /// A component with its library and its possible classes; the first class is written.
  package typealias Component = (name: String, library: String, classes: [String])

  /// Reads the index of the pipeline in `folder`.
  ///
  /// - Throws: `PipelineError` for a file that cannot be read or names no class.
  package init(folder: String) throws(PipelineError) {
    let path = "\(folder)/\(Self.fileName)"
    entries = try reading(path) {
      try JSONDecoder().decode(
        [String: Entry].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
    guard case .text(let name)? = entries["_class_name"] else {
      throw .wrongClass(
        path: path, component: "_class_name", expected: "a pipeline's class",
        found: entries["_class_name"]?.name)
    }
    className = name
    self.folder = folder
  }

  /// `_class_name` of a component's `config.json`; nil where there is no such file.
  static func className(ofConfiguration path: String) throws(PipelineError) -> String? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let entries: [String: Entry] = try reading(path) {
      try JSONDecoder().decode(
        [String: Entry].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
    return entries["_class_name"]?.name
  }

  /// The file.
  package var path: String { "\(folder)/\(Self.fileName)" }

  /// The class of a component; nil for an absent component.
  package func className(of component: String) -> String? { entries[component]?.name }

  /// The components with a class, sorted.
  package var components: [String] {
    entries.keys.filter { !$0.hasPrefix("_") && className(of: $0) != nil }.sorted()
  }

  /// Checks the classes of a family.
  ///
  /// - Parameters:
  ///   - required: components that must be present with one of their classes.
  ///   - optional: names of components that may be present.
  ///   - absent: components of diffusers that must be null.
  /// - Throws: `PipelineError.wrongClass`, `.unsupported` or `.unknownKey`.
  package func check(
    classNames: [String], required: [Component], optional: [String] = [], absent: [String] = []
  ) throws(PipelineError) {
    guard classNames.contains(className) else {
      throw .wrongClass(
        path: path, component: "_class_name", expected: classNames.joined(separator: " or "),
        found: className)
    }
    for (component, _, expected) in required {
      let found = self.className(of: component)
      guard let found, expected.contains(found) else {
        throw .wrongClass(path: path, component: component, expected: expected[0], found: found)
      }
    }
    for component in absent {
      guard let found = self.className(of: component) else { continue }
      throw .unsupported(
        path: path, key: component, reason: "\(found) is not supported; only null is")
    }
    let known = Set(required.map(\.name) + optional + absent)
    for key in entries.keys.sorted() where !known.contains(key) && !key.hasPrefix("_") {
      throw .unknownKey(path: path, key: key)
    }
  }

  /// The text of an index.
  ///
  /// - Parameter absent: components written as null.
  static func json(
    className: String, _ components: [Component], absent: [String]
  ) throws -> Data {
    var entries: [String: Entry] = [
      "_class_name": .text(className), "_diffusers_version": .text(diffusersVersion),
    ]
    for component in components {
      entries[component.name] = .pair([component.library, component.classes[0]])
    }
    for component in absent { entries[component] = .pair([nil, nil]) }
    return try prettyJSON(entries)
  }

  /// A value of the index: text for the header, library and class for a component.
  private enum Entry: Codable {
    case text(String)
    case pair([String?])
    case other

    /// The class or the text.
    var name: String? {
      switch self {
      case .text(let text): text
      case .pair(let names): names.count == 2 ? names[1] : nil
      case .other: nil
      }
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      guard !container.decodeNil() else {
        self = .other
        return
      }
      do {
        self = .text(try container.decode(String.self))
      } catch DecodingError.typeMismatch {
        do {
          self = .pair(try container.decode([String?].self))
        } catch DecodingError.typeMismatch {
          // A number, a switch, an object, or a list with elements other than names.
          self = .other
        }
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .text(let text): try container.encode(text)
      case .pair(let names): try container.encode(names)
      case .other: try container.encodeNil()
      }
    }
  }
}

/// The text of a Hugging Face configuration file: two spaces, sorted keys.
func prettyJSON(_ value: some Encodable) throws -> Data {
  try JSONEncoder.indented.encode(value) + Data("\n".utf8)
}
