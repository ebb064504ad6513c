/// Scores from an HTTP server that speaks the protocol of `docs/rewards/protocol.md`.
package struct HTTPReward: Reward {
  package let name: String
  private let service: RemoteService

  /// - Throws: `RewardError.setting` for an address or a key that cannot be used.
  package init(_ settings: RewardSettings) throws(RewardError) {
    name = settings.label
    service = try .http(settings, path: "score")
  }

  /// Asks the servers for every sample's score.
  ///
  /// A sample whose score could not be had is nil, with why in ``RewardScores/reasons``. Throws
  /// ``RewardError/failed(reward:reason:)`` for what a person has to see to: a wrong address, a
  /// missing key, another version of the protocol.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try await service.scores(samples)
  }
}

extension RemoteService {
  /// The scores of samples, with the reasons of those that could not be had.
  func scores(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let batches = try await ask(samples) { answer, count, sender throws(RemoteFault) in
      try ScoringProtocol.scores(answer, count: count, from: sender)
    }
    for batch in batches {
      if case .success(let answer) = batch.answer, let remark = answer.remark {
        await noteNotFinite(remark)
      }
    }
    return RewardScores(
      joining: batches.map { RewardScores($0.answer.map(\.scores), count: $0.count) })
  }
}

extension RewardScores {
  /// The scores of `count` samples, all missing after a fault.
  init(_ result: Result<RewardScores, RemoteFault>, count: Int) {
    switch result {
    case .success(let scores):
      self = scores
    case .failure(let fault):
      self.init(total: Array(repeating: nil, count: count))
      guard case .transient(let reason, _, _) = fault else { return }
      for index in total.indices { reasons[index] = reason.rawValue }
    }
  }

  /// The scores of batches one after the other. A part that a batch does not have is nil there.
  init(joining batches: [RewardScores]) {
    self.init(total: batches.flatMap(\.total))
    var start = 0
    for batch in batches {
      for part in batch.parts {
        let index =
          parts.firstIndex { $0.name == part.name }
          ?? {
            parts.append(.init(name: part.name, values: Array(repeating: nil, count: total.count)))
            return parts.endIndex - 1
          }()
        parts[index].values.replaceSubrange(start..<start + batch.total.count, with: part.values)
      }
      for (index, reason) in batch.reasons { reasons[start + index] = reason }
      start += batch.total.count
    }
  }
}
