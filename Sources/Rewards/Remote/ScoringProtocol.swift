import Foundations

/// Requests and answers of `docs/rewards/protocol.md`.
enum ScoringProtocol {
  static let version = 1
  /// The largest number of parts in one answer.
  static let maxParts = 32

  /// An image in a request.
  enum Image: Sendable {
    /// As base64 text of a PNG.
    case inline(String)
    /// As the path of a PNG file.
    case path(String)

    fileprivate var member: JSONValue.Member {
      switch self {
      case .inline(let text): .init("png", .string(text))
      case .path(let path): .init("path", .string(path))
      }
    }
  }

  /// The images of one sample in a request.
  struct Images: Sendable {
    /// The image to score.
    var result: Image
    /// The sample's condition images, in order.
    var sources: [Image]
  }

  /// The text of a request, on one line. A sample without sources has no such member.
  ///
  /// - Parameters:
  ///   - images: those of each sample.
  ///   - identifier: the same for every attempt of a request.
  static func request(
    _ samples: [RewardSample], images: [Images], identifier: String
  ) -> [UInt8] {
    let items = zip(samples, images).map { sample, images in
      var members: [JSONValue.Member] = [
        .init("prompt", .string(sample.prompt)), images.result.member,
      ]
      if !images.sources.isEmpty {
        members.append(.init("sources", .array(images.sources.map { .object([$0.member]) })))
      }
      let metadata = sample.metadata.sorted { $0.key < $1.key }
      members.append(.init("metadata", .object(metadata.map { .init($0.key, $0.value) })))
      return JSONValue.object(members)
    }
    let request: JSONValue = [
      "protocol": .int(version), "id": .string(identifier), "samples": .array(items),
    ]
    return Array(request.text.utf8)
  }

  /// Parses an answer, and checks its version and identifier.
  ///
  /// - Parameter sender: the service, for messages.
  static func answer(
    _ bytes: [UInt8], identifier: String, from sender: String
  ) throws(RemoteFault) -> JSONValue {
    let answer = try parse(bytes, from: sender)
    guard answer.members != nil else {
      throw .transient(.badAnswer, detail: "\(sender) answers with something other than an object")
    }
    guard answer["protocol"] == .int(version) else {
      let found =
        answer["protocol"].map { "protocol \($0.messageText.oneLine(limit: 40))" }
        ?? "no protocol version"
      throw .permanent(
        detail: "\(sender) answers with \(found), and this program speaks protocol \(version); "
          + "see docs/rewards/protocol.md")
    }
    guard answer["id"] == .string(identifier) else {
      throw .transient(.badAnswer, detail: "\(sender) answers another request than the one sent")
    }
    return answer
  }

  /// The scores in an answer.
  struct Scores: Equatable, Sendable {
    var scores: RewardScores
    /// A message about a number that is not finite; nil when all are finite.
    var remark: String?
  }

  /// The scores of an answer. A value that is not finite reads as nil; the other samples keep
  /// theirs.
  ///
  /// - Parameter count: the number of samples in the request.
  static func scores(
    _ answer: JSONValue, count: Int, from sender: String
  ) throws(RemoteFault) -> Scores {
    let total = try values(answer["scores"], "scores", count: count, from: sender)
    var parts: [RewardScores.Part] = []
    for member in answer["parts"]?.members ?? [] {
      guard parts.count < maxParts, isName(member.key) else {
        throw .transient(
          .badAnswer, detail: "\(sender) names a part \"\(member.key.oneLine(limit: 40))\"; names "
            + "are letters, digits, - and _, and there are \(maxParts) at most")
      }
      parts.append(
        .init(
          name: member.key,
          values: try values(member.value, "parts.\(member.key)", count: count, from: sender)))
    }
    var scores = RewardScores(total: total, parts: parts)
    for index in total.indices where total[index] == nil {
      let isGiven = answer["scores"]?.array?[index].number != nil
      let reason: RemoteFault.Reason = isGiven ? .notFinite : .notScored
      scores.reasons[index] = reason.rawValue
    }
    return Scores(scores: scores, remark: remark(answer, from: sender))
  }

  /// A message about the first number that is not finite.
  private static func remark(_ answer: JSONValue, from sender: String) -> String? {
    let lists = [JSONValue.Member("scores", answer["scores"] ?? .null)]
      + (answer["parts"]?.members ?? []).map { .init("parts.\($0.key)", $0.value) }
    for list in lists {
      for (index, item) in (list.value.array ?? []).enumerated() {
        guard let value = item.number, !value.isFinite else { continue }
        return "\(sender) gives \(name(value)) for sample \(index); send null where there is no "
          + "score (in \"\(list.key)\", samples counted from 0)"
      }
    }
    return nil
  }

  /// The spelling of Python and JavaScript.
  private static func name(_ value: Double) -> String {
    value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
  }

  private static func values(
    _ value: JSONValue?, _ key: String, count: Int, from sender: String
  ) throws(RemoteFault) -> [Double?] {
    guard let items = value?.array else {
      throw .transient(.badAnswer, detail: "\(sender) answers without an array \"\(key)\"")
    }
    guard items.count == count else {
      throw .transient(
        .badAnswer,
        detail: "\(sender) gives \(items.count) values in \"\(key)\" for \(count) images")
    }
    var numbers: [Double?] = []
    for item in items {
      guard item == .null || item.number != nil else {
        throw .transient(
          .badAnswer,
          detail: "\(sender) gives \(item.messageText.oneLine(limit: 40)) in \"\(key)\", which "
            + "is neither a number nor null")
      }
      numbers.append(item.number.flatMap { $0.isFinite ? $0 : nil })
    }
    return numbers
  }

  /// Parses one JSON value. NaN and infinities are accepted, so that one of them does not
  /// invalidate the whole answer.
  static func parse(_ bytes: [UInt8], from sender: String) throws(RemoteFault) -> JSONValue {
    do throws(JSONParser.Failure) {
      return try JSONParser.parse(bytes[...], allowsNonFinite: true)
    } catch {
      throw .transient(
        .badAnswer,
        detail: "\(sender) answers with text that is not JSON: \(error.reason), "
          + "byte \(error.offset)")
    }
  }

  private static func isName(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 64
      && text.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
          || (0x61...0x7A).contains(byte) || byte == 0x5F || byte == 0x2D
      }
  }
}
