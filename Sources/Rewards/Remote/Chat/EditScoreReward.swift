package import Foundations
package import Recipes
package import Torch

/// EditScore (arXiv 2509.23909): how well an image model edited a picture, 0...1, from a vision
/// model behind a chat service.
///
/// Two questions with two numbers each, 0...`scale`: about source and result, the success of the
/// edit and its restraint; about the result alone, its naturalness and its freedom from artifacts.
/// A question's score is the smaller number in units of `scale / 10`, and a pass has the geometric
/// mean of the two scores over 10. The total is the mean over the passes, which differ in the seed
/// of the model's sampling. The parts `semantic_consistency` and `perceptual_quality` are the means
/// of the questions' scores, 0...10.
package struct EditScoreReward: Reward {
  package let name: String
  package let imagesAtOnce: Int?
  private let settings: EditScoreFactory
  private let service: ChatService

  /// The largest number of tokens in one answer, as in EditScore.
  private static let maxTokens = 512
  /// The probability of the tokens that an answer is sampled from, as in EditScore.
  private static let topProbability = 0.9
  /// The seed of the first pass, as in EditScore.
  private static let firstSeed = 42
  /// Why a sample with another number of sources has no score.
  private static let noSource = "not exactly one source image"

  /// - Throws: what ``EditScoreFactory/check()`` throws, and
  ///   ``RewardError/setting(reward:key:reason:)`` for a key that cannot be used.
  package init(_ settings: EditScoreFactory) throws(RewardError) {
    try settings.check()
    name = settings.label
    imagesAtOnce = settings.service.concurrency
    self.settings = settings
    service = try ChatService(settings.service)
  }

  /// One question of one pass about one sample.
  private struct Job: Sendable {
    let sample: Int
    let pass: Int
    let question: EditScoreQuestion
  }

  /// Scores every sample.
  ///
  /// A sample whose sources are not exactly one, or with any answer that is missing or cannot be
  /// read, is nil, with the reason in ``RewardScores/reasons``.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for a fault that only a person can fix: a
  ///   wrong address, a missing key, a model that is not served.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let images = try await EncodedImages(samples, reward: name)
    let jobs = samples.indices.filter { samples[$0].sources.count == 1 }.flatMap { sample in
      (0..<settings.passes).flatMap { pass in
        EditScoreQuestion.allCases.map { Job(sample: sample, pass: pass, question: $0) }
      }
    }
    let answers = try await concurrently(jobs, reward: name) { job async throws(RemoteFault) in
      try await answer(job, samples[job.sample], images)
    }
    var found: [Int: [Result<Double, RemoteFault>]] = [:]
    for (job, answer) in zip(jobs, answers) { found[job.sample, default: []].append(answer) }
    return RewardScores(
      joining: samples.indices.map { index in
        guard let answers = found[index] else {
          return RewardScores(total: [nil], reasons: [0: Self.noSource])
        }
        return Self.scores(answers)
      })
  }

  /// The scores of one sample.
  ///
  /// - Parameter answers: per pass, those of the two questions.
  private static func scores(_ answers: [Result<Double, RemoteFault>]) -> RewardScores {
    var values: [Double] = []
    for answer in answers {
      do throws(RemoteFault) {
        values.append(try answer.get())
      } catch {
        return RewardScores(.failure(error), count: 1)
      }
    }
    let passes = stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
    func mean(_ value: ((Double, Double)) -> Double) -> Double {
      passes.reduce(0) { $0 + value($1) } / Double(passes.count)
    }
    return RewardScores(
      total: [mean { ($0 * $1).squareRoot() / 10 }],
      parts: [
        .init(name: "semantic_consistency", values: [mean(\.0)]),
        .init(name: "perceptual_quality", values: [mean(\.1)]),
      ])
  }

  /// The score of one question, 0...10. With a temperature, an answer that cannot be read is
  /// replaced by one from another seed, at most `retries` times.
  private func answer(
    _ job: Job, _ sample: RewardSample, _ images: EncodedImages
  ) async throws(RemoteFault) -> Double {
    var attempt = 0
    while true {
      do throws(RemoteFault) {
        return try await service.ask(request(job, sample, images, attempt: attempt)) {
          choice throws(RemoteFault) in
          try score(choice)
        }
      } catch {
        guard case .transient(.noMatch, _, _) = error, settings.temperature > 0,
          attempt < settings.service.retry.retries
        else { throw error }
        attempt += 1
      }
    }
  }

  private func request(
    _ job: Job, _ sample: RewardSample, _ images: EncodedImages, attempt: Int
  ) -> ChatRequest {
    let files = images.samples[job.sample]
    let sources = job.question == .semanticConsistency ? files.sources : []
    return ChatRequest(
      model: settings.model, images: sources.map { images.sources[$0] } + [files.result],
      text: job.question.text(instruction: sample.prompt, scale: settings.scale),
      numbersImages: settings.imageNumbers, temperature: .double(settings.temperature),
      maxTokens: Self.maxTokens,
      options: [
        .init("top_p", .double(Self.topProbability)),
        .init("seed", .int(Self.firstSeed + job.pass + attempt * settings.passes)),
      ])
  }

  private func score(_ choice: JSONValue) throws(RemoteFault) -> Double {
    let found = ChatAnswer(choice)
    let largest = Double(settings.scale)
    guard let scores = found.scoreList(count: 2, in: 0...largest) else { throw found.noScore }
    return min(scores[0], scores[1]) * 10 / largest
  }
}

/// `editscore`: ``EditScoreReward`` with the keys of ``ServiceSettings`` and `model`, `scale`,
/// `passes`, `temperature` and `image_numbers`.
package struct EditScoreFactory: ServiceRewardFactory {
  package static let name = "editscore"
  package static let sourceImages = SourceImages.required
  package var service: ServiceSettings
  /// The name under which the service has the model.
  package var model = "EditScore-Qwen3-VL-8B-Instruct"
  /// The largest number of an answer, 1...
  package var scale = 25
  /// Requests per question, each with a seed of its own, 1...
  package var passes = 1
  /// The temperature of the model's sampling, 0...2.
  package var temperature = 0.7
  /// Whether images are preceded by `<img1>: ` and `<img2>: `, as EditScore's own code does for
  /// checkpoints of Qwen2.5-VL.
  package var imageNumbers = false

  package init(_ service: ServiceSettings) { self.service = service }

  package init(_ section: RecipeSection, label: String, device: Device) {
    self.init(ServiceSettings(section, label: label))
    model = section.string("model", default: model)
    scale = section.int("scale", in: 1...1000, default: scale)
    passes = section.int("passes", in: 1...100, default: passes)
    temperature = section.double("temperature", in: 0...2, default: temperature)
    imageNumbers = section.bool("image_numbers", default: imageNumbers)
  }

  package static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault) {
    let given = metadata["images"]?.array ?? metadata["image"].map { [$0] } ?? []
    guard given.count == 1, given[0].string?.isEmpty == false else {
      throw PromptFault(
        "the reward editscore compares one picture with its edit; name its file in \"image\", or "
          + "in a list \"images\" of one item")
    }
  }

  package func check() throws(RewardError) {
    try service.check()
    if passes > 1, temperature == 0 {
      throw .setting(
        reward: label, key: "passes",
        reason: "must be 1 with temperature 0, at which all passes have the same answer")
    }
  }

  package func makeReward() throws(RewardError) -> any Reward { try EditScoreReward(self) }
}
