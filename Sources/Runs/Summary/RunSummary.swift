import Foundation
internal import Foundations

/// The outcome of a run: `summary.json`, described in `docs/run-directory.md`.
package struct RunSummary: Sendable, Hashable, Codable {
  /// How the scores were obtained; only scores of one protocol can be compared.
  package struct EvaluationProtocol: Sendable, Hashable, Codable {
    /// The file of prompts.
    package var prompts: String
    /// SHA-256 of that file; nil in files of earlier versions and where it is not recorded.
    package var promptsDigest: String?
    /// The number of its prompts that were used.
    package var promptCount: Int
    /// Images per prompt.
    package var imagesPerPrompt: Int
    /// The seed of the initial noise of every image.
    package var seed: Int
    /// Denoising steps.
    package var steps: Int
    /// Scale of classifier-free guidance; 1 is no guidance.
    package var guidanceScale: Double
    /// Height and width of the images in pixels; nil in files of earlier versions.
    package var imageSize: [Int]?
    /// Tokens of a prompt for the longest text encoder; nil in files of earlier versions.
    package var maxSequenceLength: Int?
    /// The sampler: "ode".
    package var sampler: String
    /// The network's number type: "float32".
    package var dtype: String
    /// The stored form of the frozen base: "none", "int8" or "float8"; nil in files of earlier
    /// versions.
    package var quantizeBase: String?
    /// Which weights: "ema" of a run, "model" or "model + lora" of a model folder.
    package var weights: String
    /// The reward's name, for example "shapes_strict".
    package var reward: String

    /// Makes a protocol.
    package init(
      prompts: String, promptsDigest: String? = nil, promptCount: Int, imagesPerPrompt: Int,
      seed: Int, steps: Int, guidanceScale: Double, imageSize: [Int]? = nil,
      maxSequenceLength: Int? = nil,
      sampler: String, dtype: String, quantizeBase: String? = nil, weights: String, reward: String
    ) {
      self.prompts = prompts
      self.promptsDigest = promptsDigest
      self.promptCount = promptCount
      self.imagesPerPrompt = imagesPerPrompt
      self.seed = seed
      self.steps = steps
      self.guidanceScale = guidanceScale
      self.imageSize = imageSize
      self.maxSequenceLength = maxSequenceLength
      self.sampler = sampler
      self.dtype = dtype
      self.quantizeBase = quantizeBase
      self.weights = weights
      self.reward = reward
    }

    private enum CodingKeys: String, CodingKey {
      case prompts, seed, steps, sampler, dtype, weights, reward
      case promptsDigest = "prompts_sha256"
      case promptCount = "prompt_count"
      case guidanceScale = "guidance_scale"
      case imagesPerPrompt = "images_per_prompt"
      case imageSize = "image_size"
      case quantizeBase = "quantize_base"
      case maxSequenceLength = "max_sequence_length"
    }
  }

  /// One evaluation during the run.
  package struct Evaluation: Sendable, Hashable, Codable {
    /// Epochs trained before it.
    package var epoch: Int
    /// Seconds of training before it, evaluations not counted.
    package var trainingSeconds: Double
    /// The scores of the evaluation's images.
    package var scores: TaggedScores
    /// Mean of the weighted training reward on the same images; nil when no image has a score.
    package var trainingReward: Double?
    /// Scores of the held-out rewards by name; nil without any.
    package var heldOutRewards: [String: Score]?

    /// Makes an evaluation.
    package init(
      epoch: Int, trainingSeconds: Double, scores: TaggedScores, trainingReward: Double? = nil,
      heldOutRewards: [String: Score]? = nil
    ) {
      self.epoch = epoch
      self.trainingSeconds = trainingSeconds
      self.scores = scores
      self.trainingReward = trainingReward
      self.heldOutRewards = heldOutRewards
    }

    private enum CodingKeys: String, CodingKey {
      case epoch, scores
      case heldOutRewards = "held_out_rewards"
      case trainingSeconds = "total_seconds"
      case trainingReward = "training_reward"
    }
  }

  /// The version of this layout.
  package var format = 1
  /// The recipe's name.
  package var recipe: String
  /// The run's seed.
  package var seed: Int
  /// Epochs trained.
  package var epochs: Int
  /// Whether the run reached its last epoch.
  package var isFinished: Bool
  /// Why a run stopped early: a signal's name, a held-out reward that fell, or the failure of a
  /// reward; nil otherwise.
  package var stoppedBy: String?
  /// How every score below was obtained.
  package var evaluationProtocol: EvaluationProtocol
  /// Scores before training.
  package var before: TaggedScores
  /// Scores after training.
  package var after: TaggedScores
  /// All evaluations, in order; the first is `before`, the last `after`.
  package var evaluations: [Evaluation]
  /// Seconds per phase, over the whole run.
  package var phaseSeconds: [String: Double]
  /// Seconds of training, evaluations not counted, over all parts of a resumed run.
  package var trainingSeconds: Double
  /// Peak memory in bytes per phase, where the system reports it; nil in older summaries.
  package var peakMemory: [String: Int]?
  /// Where the run ran.
  package var machine: Machine

  /// Makes a summary.
  package init(
    recipe: String, seed: Int, epochs: Int, isFinished: Bool,
    evaluationProtocol: EvaluationProtocol, evaluations: [Evaluation],
    phaseSeconds: [String: Double], trainingSeconds: Double, peakMemory: [String: Int]? = nil,
    stoppedBy: String? = nil, machine: Machine
  ) {
    precondition(!evaluations.isEmpty, "a summary needs an evaluation")
    self.recipe = recipe
    self.seed = seed
    self.epochs = epochs
    self.isFinished = isFinished
    self.stoppedBy = stoppedBy
    self.evaluationProtocol = evaluationProtocol
    before = evaluations[0].scores
    after = evaluations[evaluations.count - 1].scores
    self.evaluations = evaluations
    self.phaseSeconds = phaseSeconds
    self.trainingSeconds = trainingSeconds
    self.peakMemory = peakMemory
    self.machine = machine
  }

  private enum CodingKeys: String, CodingKey {
    case format, recipe, seed, epochs, before, after, evaluations, machine
    case isFinished = "finished"
    case stoppedBy = "stopped_by"
    case evaluationProtocol = "protocol"
    case phaseSeconds = "phase_seconds"
    case trainingSeconds = "total_seconds"
    case peakMemory = "peak_memory"
  }
}

extension RunSummary {
  /// The text of `summary.json`; equal summaries give equal bytes.
  ///
  /// - Throws: `notFinite` when a number is not finite, `notEncoded`.
  package func text(for path: String) throws(RunError) -> String {
    do {
      return String(decoding: try JSONEncoder.indented.encode(self), as: UTF8.self) + "\n"
    } catch let EncodingError.invalidValue(value, context) {
      let name = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw .notFinite(path: path, name: name, value: "\(value)")
    } catch {
      throw .notEncoded(path: path, reason: "\(error)")
    }
  }

  /// Writes `summary.json`, atomically.
  package func write(to path: String) throws(RunError) {
    let text = try text(for: path)
    try onDisk(AtomicFile.write(text, to: path))
  }

  /// Reads `summary.json`.
  ///
  /// - Throws: `unreadable`, or a file error.
  package static func read(_ path: String) throws(RunError) -> RunSummary {
    let bytes = try onDisk(AtomicFile.read(path))
    do {
      return try JSONDecoder().decode(RunSummary.self, from: Data(bytes))
    } catch {
      throw .unreadable(path: path, line: 1, reason: "not a summary: \(error)")
    }
  }
}
