package import Foundation

extension ScenePrompt {
  /// Why a text is not a prompt of this task.
  package struct Fault: Error, Equatable, CustomStringConvertible {
    /// The fault, with the key.
    package let reason: String

    package init(reason: String) { self.reason = reason }

    package var description: String {
      "not a prompt of the shapes task (\(reason)); each line is one JSON object with tag, "
        + "include, prompt and optionally exclude"
    }
  }

  /// Decodes and checks one prompt, a JSON object.
  ///
  /// - Throws: ``Fault``.
  package init(json: Data) throws(Fault) {
    do {
      self = try JSONDecoder().decode(ScenePrompt.self, from: json)
    } catch {
      throw Fault(reason: Self.reason(error))
    }
    if let fault { throw Fault(reason: fault) }
  }

  /// Why no image can satisfy the prompt, or none was found that does; nil when one can.
  var fault: String? {
    formFault
      ?? (SceneLayout.hasScene(for: self) ? nil : "no place was found for the objects of include")
  }

  /// The fault that can be told without drawing.
  var formFault: String? {
    if include.isEmpty { return "include is empty" }
    for (index, requirement) in include.enumerated() {
      if requirement.count < 1 { return "include[\(index)].count is below 1" }
      if requirement.count > SceneLayout.maximumObjects { return Self.tooMany(requirement.count) }
      if let position = requirement.position, !(0..<index).contains(position.reference) {
        return "include[\(index)].position names requirement \(position.reference), "
          + "which is not one before it"
      }
    }
    for (index, limit) in (exclude ?? []).enumerated() {
      let wanted = include.filter { $0.shape == limit.shape }.reduce(0) { $0 + $1.count }
      if wanted >= limit.count {
        return "exclude[\(index)] allows fewer objects than include has"
      }
    }
    if objectCount > SceneLayout.maximumObjects { return Self.tooMany(objectCount) }
    return nil
  }

  private static func tooMany(_ count: Int) -> String {
    "\(count) objects, more than the \(SceneLayout.maximumObjects) that fit"
  }

  static func reason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return error.localizedDescription }
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
    }
    switch error {
    case .keyNotFound(let key, _): return "the key \"\(key.stringValue)\" is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      return place(context)
    @unknown default: return error.localizedDescription
    }
  }
}
