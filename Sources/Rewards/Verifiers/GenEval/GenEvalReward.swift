package import Foundations
package import Recipes
package import Torch

/// GenEval: whether a detector finds the objects of the prompt, in number, color and position.
///
/// The total is the mode's figure; `partial`, `strict` and `official` are parts in every mode. A
/// sample has no score when its metadata is not GenEval's, when the detector failed on its image,
/// or when the prompt names a color and the detector named none.
package struct GenEvalReward: Reward {
  /// What the total is.
  package enum Mode: String, CaseIterable, Sendable {
    /// Partial credit, 0...1.
    case partial
    /// 1 for exactly the wanted objects, else 0.
    case strict
    /// 1 by the benchmark's own rule, else 0.
    case official
  }

  package let name: String
  package let imagesAtOnce: Int?
  private let mode: Mode
  private let detector: any ObjectDetector

  package init(
    _ detector: any ObjectDetector, mode: Mode = .partial, name: String = GenEvalFactory.name,
    imagesAtOnce: Int? = nil
  ) {
    self.imagesAtOnce = imagesAtOnce
    self.detector = detector
    self.mode = mode
    self.name = name
  }

  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let detections = try await detector.detect(samples)
    precondition(detections.count == samples.count, "one detection per image")
    var reasons: [Int: String] = [:]
    var scores: [GenEvalScore?] = []
    for (index, (sample, detection)) in zip(samples, detections).enumerated() {
      do throws(SkippedSample) {
        scores.append(try judge(sample, detection))
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
    _ sample: RewardSample, _ detection: Detection<[DetectedObject]>
  ) throws(SkippedSample) -> GenEvalScore {
    let prompt: GenEvalPrompt
    do throws(GenEvalPrompt.Fault) {
      prompt = try GenEvalPrompt(sample.metadata)
    } catch {
      throw SkippedSample(reason: "the prompt file's line is not GenEval's: \(error.reason)")
    }
    switch detection {
    case .unseen(let reason): throw SkippedSample(reason: reason)
    case .seen(let objects):
      let judge = GenEvalJudge(objects, prompt)
      guard !judge.lacksColors else { throw SkippedSample(reason: "the detector named no color") }
      return judge.score
    }
  }
}

/// `geneval`: ``GenEvalReward`` with the keys `mode`, `backend`, `batch_size` and those of
/// ``ServiceSettings``.
package struct GenEvalFactory: ServiceRewardFactory {
  /// The detector.
  package enum Backend: String, CaseIterable, Sendable {
    /// The embedded verifier's detector, for images of the shapes task.
    case shapes
    /// A service.
    case remote
  }

  package static let name = "geneval"
  package var mode = GenEvalReward.Mode.partial
  package var backend = Backend.shapes
  /// The largest number of images in one request, 1...
  package var batchSize = 16
  package var service: ServiceSettings

  package init(_ service: ServiceSettings = ServiceSettings(label: name)) { self.service = service }

  package init(_ section: RecipeSection, label: String, device: Device) {
    mode = section.choice("mode", default: .partial)
    backend = section.choice("backend", default: .shapes)
    let reason = backend == .remote ? nil : "backend is \(backend.rawValue)"
    if let reason {
      section.unused("batch_size", because: reason)
    } else {
      batchSize = section.batchSize(default: batchSize)
    }
    service = ServiceSettings(section, label: label, unusedBecause: reason, except: [])
  }

  package static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault) {
    do throws(GenEvalPrompt.Fault) {
      _ = try GenEvalPrompt(metadata)
    } catch {
      throw PromptFault(
        "not GenEval's metadata (\(error.reason)); the reward geneval reads tag, include and "
          + "exclude of every prompt, see docs/rewards/geneval.md")
    }
  }

  package func check() throws(RewardError) {
    if backend == .remote { try service.check() }
  }

  package func makeReward() throws(RewardError) -> any Reward {
    let detector: any ObjectDetector =
      switch backend {
      case .shapes: ShapesDetector(for: label)
      case .remote: try RemoteDetector(service, batchSize: batchSize)
      }
    return GenEvalReward(
      detector, mode: mode, name: label,
      imagesAtOnce: backend == .remote ? service.concurrency * batchSize : nil)
  }
}
