import JSON

/// GenEval: whether the image shows the objects that the prompt asks for, in number, color and
/// place, as a detector sees them.
///
/// The total is the mode's figure; `partial`, `strict` and `official` are parts whatever the mode.
/// A sample whose prompt does not say what the image must show, whose image the detector could not
/// look at, or whose colors it did not judge though the prompt asks for one, cannot be scored.
package struct GenEvalReward: Reward {
  /// What the total is.
  package enum Mode: String, CaseIterable, Sendable {
    /// Credit for what is right, 0...1.
    case partial
    /// 1 for exactly what is wanted, else 0.
    case strict
    /// 1 by the benchmark's own rule, else 0.
    case official
  }

  package let name: String
  private let mode: Mode
  private let detector: any ObjectDetector

  package init(_ detector: any ObjectDetector, mode: Mode = .partial, name: String = "geneval") {
    self.detector = detector
    self.mode = mode
    self.name = name
  }

  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let sightings = try await detector.detect(samples)
    precondition(sightings.count == samples.count, "a detector answers for every image")
    var reasons: [Int: String] = [:]
    var scores: [GenEvalScore?] = []
    for (index, (sample, sighting)) in zip(samples, sightings).enumerated() {
      do throws(SkippedSample) {
        scores.append(try judge(sample, sighting))
      } catch {
        scores.append(nil)
        reasons[index] = error.reason
      }
    }
    let parts: [(Mode, [Double?])] = [
      (.partial, scores.map { $0?.partial }),
      (.strict, scores.map { $0.map { $0.strict ? 1 : 0 } }),
      (.official, scores.map { $0.map { $0.official ? 1 : 0 } }),
    ]
    return RewardScores(
      total: parts.first { $0.0 == mode }!.1,
      parts: parts.map { .init(name: $0.0.rawValue, values: $0.1) }, reasons: reasons)
  }

  private func judge(
    _ sample: RewardSample, _ sighting: Detection<[DetectedObject]>
  ) throws(SkippedSample) -> GenEvalScore {
    let prompt: GenEvalPrompt
    do throws(GenEvalPrompt.Fault) {
      prompt = try GenEvalPrompt(sample.metadata)
    } catch {
      throw SkippedSample(reason: "the prompt file's line is not GenEval's: \(error.reason)")
    }
    switch sighting {
    case .unseen(let reason): throw SkippedSample(reason: reason)
    case .seen(let objects):
      let judge = GenEvalJudge(objects, prompt)
      guard !judge.lacksColors else { throw SkippedSample(reason: "the detector named no color") }
      return judge.score
    }
  }
}

extension GenEvalReward {
  /// The scorer of checked settings.
  ///
  /// Throws ``RewardError`` for a service whose address or key cannot be used.
  init(_ settings: RewardSettings) throws(RewardError) {
    let detector: any ObjectDetector =
      settings.isRemote ? try RemoteDetector(settings) : ShapesDetector(for: settings.label)
    self.init(
      detector, mode: settings.mode.flatMap(Mode.init) ?? .partial, name: settings.label)
  }
}
