import Recipes
import Rewards
import Runs
import Testing
import Torch
import Training

@Suite struct RewardRecipeTests {
  private func rewards(_ text: String, _ more: String = "") throws -> [RewardRecipe] {
    try readRecipe(recipeText([("[{name: shapes}]", text)]) + more).settings.rewards
  }

  private func problems(_ text: String) -> [String] {
    do {
      _ = try rewards(text)
      return []
    } catch let error as RecipeError {
      return error.issues.map(\.message)
    } catch {
      return ["another error: \(error)"]
    }
  }

  /// The settings of the entry, which must be of this type.
  private func factory<Factory: RewardFactory>(
    _ recipe: RewardRecipe, _ kind: Factory.Type
  ) throws -> Factory {
    try #require(recipe.reward.factory as? Factory)
  }

  @Test func `an entry with a name alone has that label and weight 1`() throws {
    let recipe = try #require(try rewards("[{name: shapes}]").first)
    #expect(try factory(recipe, ShapesFactory.self).mode == .partial)
    #expect(recipe.reward.label == "shapes")
    #expect(recipe.weight == 1)
  }

  @Test func `each reward reads its own keys`() throws {
    let all = try rewards(
      """
      [{name: pickscore, model: weights/pick, precision: bfloat16, batch_size: 4, device: cuda:1},
       {name: hpsv2, model: /weights/hps},
       {name: process, command: [python3, score.py], image_transport: inline, timeout: 2.5,
        weight: 0.5},
       {name: vlm, urls: ["http://a/v1", "http://b/v1"], model: Qwen/VL, prompt: "Rate {prompt}.",
        pattern: "Score: (.*)", retries: 0, concurrency: 8, api_key_variable: KEY},
       {name: ocr, backend: remote, urls: ["http://c"]}]
      """, "device: cuda\n")
    var pickScore = NetworkSettings(
      label: "pickscore", model: "/recipes/weights/pick", precision: .bfloat16,
      device: .cuda(1), batchSize: 4)
    pickScore.isDeviceIndexed = true
    #expect(try factory(all[0], PickScoreFactory.self).settings == pickScore)
    #expect(all[1].reward.device == .cuda(0))
    let process = try factory(all[2], ProcessFactory.self)
    #expect(process.command == ["python3", "score.py"])
    #expect(process.directory == "/recipes")
    #expect(process.imageTransport == .inline)
    #expect(process.retry.timeout == 2.5 && process.concurrency == 1)
    #expect(all[2].weight == 0.5)
    let chat = try factory(all[3], VLMFactory.self)
    #expect(chat.service.urls == ["http://a/v1", "http://b/v1"])
    #expect(
      chat.question
        == ChatQuestion(model: "Qwen/VL", prompt: "Rate {prompt}.", pattern: "Score: (.*)"))
    #expect(chat.service.retry.retries == 0)
    #expect(chat.service.concurrency == 8)
    #expect(chat.service.apiKeyVariable == "KEY")
    #expect(try factory(all[4], OCRFactory.self).backend == .remote)
  }

  @Test func `a key that the reward does not use is an error`() {
    let found = problems("[{name: shapes, urls: [\"http://a\"]}]")
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("unknown key \"urls\" in \"rewards.0\""))
  }

  @Test func `a batch of any size is an error and no crash`() {
    let large = "9223372036854775807"
    let found = problems("[{name: http, urls: [\"http://a\"], batch_size: \(large)}]")
    #expect(found == ["rewards.0.batch_size: must be between 1 and 65536, found \(large)"])
  }

  @Test func `an unknown name is one error, with any other keys`() {
    let found = problems("[{name: shape, urls: [\"http://a\"], mode: exact}]")
    #expect(found.count == 1)
    #expect(found[0].contains("no reward is named \"shape\""))
  }

  @Test func `a key without effect in the backend is a warning`() throws {
    let text = recipeText([("[{name: shapes}]", "[{name: ocr, urls: [\"http://a\"]}]")])
    let warnings = try readRecipe(text).warnings.map(\.message)
    #expect(warnings == ["rewards.0.urls: has no effect: backend is tesseract"])
    let keys = ["batch_size", "timeout", "concurrency"]
    let entry = "[{name: geneval, \(keys.map { "\($0): 8" }.joined(separator: ", "))}]"
    let own = try readRecipe(recipeText([("[{name: shapes}]", entry)])).warnings.map(\.message)
    #expect(own == keys.map { "rewards.0.\($0): has no effect: backend is shapes" })
  }

  @Test func `two entries of one reward need labels`() throws {
    let same = problems("[{name: shapes}, {name: shapes, mode: strict}]")
    #expect(same == ["rewards: two entries are called shapes; give one of them a label"])
    let labels = try rewards("[{name: shapes}, {name: shapes, mode: strict, label: exact}]")
      .map(\.reward.label)
    #expect(labels == ["shapes", "exact"])
  }

  @Test func `settings of a command line are read strictly, like a recipe's`() throws {
    let entry = try RewardEntry.read("shapes", ["mode=strict"]).settings
    #expect((entry.factory as? ShapesFactory)?.mode == .strict)
    let error = #expect(throws: RecipeError.self) {
      try RewardEntry.read("shapes", ["weights=3", "mode=1"])
    }
    #expect(error?.issues.count == 2)
  }

  @Test func `the resolved recipe holds every value, in one order, with the defaults`() throws {
    let text = recipeText([
      (
        "[{name: shapes}]",
        "[{name: shapes}, {name: pickscore, model: /w}, {name: http, urls: ['http://a']}, "
          + "{name: ocr}, {name: process, command: [a]}, "
          + "{name: vlm, urls: ['http://a'], prompt: b}]"
      )
    ])
    let lines = try readRecipe(text).resolved.text.split(separator: "\n")
    let start = try #require(lines.firstIndex(of: "rewards:"))
    let end = try #require(lines.firstIndex { $0.hasPrefix("held_out_rewards") })
    #expect(lines[start..<end].joined(separator: "\n") == resolvedRewards)
  }
}

private let resolvedRewards = """
  rewards:
    -
      name: shapes
      label: shapes
      mode: partial
      surplus: penalized
      weight: 1.0
    -
      name: pickscore
      label: pickscore
      model: /w
      precision: float32
      device: cpu
      batch_size: 16
      weight: 1.0
    -
      name: http
      label: http
      urls: ["http://a"]
      proxy: null
      timeout: 60.0
      retries: 3
      outage_timeout: 120.0
      concurrency: 4
      api_key_variable: null
      batch_size: 16
      weight: 1.0
    -
      name: ocr
      label: ocr
      backend: tesseract
      batch_size: 16
      timeout: 60.0
      concurrency: 4
      weight: 1.0
    -
      name: process
      label: process
      command: [a]
      directory: /recipes
      timeout: 60.0
      retries: 3
      outage_timeout: 120.0
      concurrency: 1
      batch_size: 16
      image_transport: paths
      weight: 1.0
    -
      name: vlm
      label: vlm
      urls: ["http://a"]
      proxy: null
      timeout: 60.0
      retries: 3
      outage_timeout: 120.0
      concurrency: 4
      api_key_variable: null
      model: null
      prompt: b
      read: pattern
      pattern: null
      weight: 1.0
  """
