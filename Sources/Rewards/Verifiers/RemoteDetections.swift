import Foundations
import ImageFiles

extension RemoteService {
  /// The detections of a service: the list `key` of its answer has one item per image, null where
  /// the image could not be read.
  ///
  /// - Parameter value: reads an item that is not null; nil for one that breaks the protocol.
  fileprivate func detections<Value: Sendable>(
    _ samples: [RewardSample], in key: String,
    value: @escaping @Sendable (JSONValue) -> Value?
  ) async throws(RewardError) -> [Detection<Value>] {
    let shown = samples.map(\.withoutSources)
    let batches = try await ask(shown) { answer, count, sender throws(RemoteFault) in
      guard let items = answer[key]?.array, items.count == count else {
        throw .transient(
          .badAnswer, detail: "\(sender) answers without a list \"\(key)\" of \(count) items")
      }
      var seen: [Detection<Value>] = []
      for (index, item) in items.enumerated() {
        if item == .null {
          seen.append(.unseen(reason: RemoteFault.Reason.notScored.rawValue))
        } else if item.firstNonFinite() != nil {
          seen.append(.unseen(reason: RemoteFault.Reason.notFinite.rawValue))
        } else if let value = value(item) {
          seen.append(.seen(value))
        } else {
          throw .transient(
            .badAnswer,
            detail: "\(sender) gives \(item.messageText.oneLine(limit: 80)) as item \(index) of "
              + "\"\(key)\"; see docs/rewards/protocol.md")
        }
      }
      return seen
    }
    return batches.flatMap { count, answer -> [Detection<Value>] in
      switch answer {
      case .success(let seen): return seen
      case .failure(.transient(let reason, _, _)):
        return Array(repeating: .unseen(reason: reason.rawValue), count: count)
      case .failure(.permanent(let detail)):
        return Array(repeating: .unseen(reason: detail), count: count)
      }
    }
  }
}

/// Reads text through a service: `{"texts": ["OPEN", "", null]}`.
package struct RemoteReader: TextReader {
  private let service: RemoteService

  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address or a key that cannot be
  ///   used.
  package init(_ settings: ServiceSettings, batchSize: Int) throws(RewardError) {
    service = try .http(settings, path: "read", batchSize: batchSize)
  }

  package func read(_ samples: [RewardSample]) async throws(RewardError) -> [Detection<String>] {
    try await service.detections(samples, in: "texts", value: \.string)
  }
}

/// Finds objects through a service, whose answer is
///
///     {"detections": [[{"label": "car", "confidence": 0.97, "box": [10, 20, 90, 60],
///                       "color": "red"}], [], null]}
///
/// with one list per image. A box is left, top, right, bottom in pixels; a color is optional.
package struct RemoteDetector: ObjectDetector {
  private let service: RemoteService

  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address or a key that cannot be
  ///   used.
  package init(_ settings: ServiceSettings, batchSize: Int) throws(RewardError) {
    service = try .http(settings, path: "detect", batchSize: batchSize)
  }

  package func detect(
    _ samples: [RewardSample]
  ) async throws(RewardError) -> [Detection<[DetectedObject]>] {
    try await service.detections(samples, in: "detections") { item in
      guard let items = item.array else { return nil }
      let objects = items.compactMap(DetectedObject.init)
      return objects.count == items.count ? objects : nil
    }
  }
}

extension DetectedObject {
  /// Reads one object of a service's answer; nil for one that breaks the protocol.
  fileprivate init?(_ value: JSONValue) {
    let corners = (value["box"]?.array ?? []).compactMap(\.number).map(Float.init)
    guard let label = value["label"]?.string, !label.isEmpty,
      let confidence = value["confidence"]?.number, (0...1).contains(confidence),
      corners.count == 4, corners.allSatisfy(\.isFinite), corners[0] <= corners[2],
      corners[1] <= corners[3]
    else { return nil }
    let color = value["color"] ?? .null
    guard color == .null || color.string != nil else { return nil }
    self.init(
      label, confidence: confidence,
      box: BoundingBox(
        centerX: (corners[0] + corners[2]) / 2, centerY: (corners[1] + corners[3]) / 2,
        halfWidth: (corners[2] - corners[0]) / 2, halfHeight: (corners[3] - corners[1]) / 2),
      color: color.string)
  }
}
