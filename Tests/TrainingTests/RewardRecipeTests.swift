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

  @Test func `an entry that says no more than a name has that label and weight 1`() throws {
    let reward = try #require(try rewards("[{name: shapes}]").first)
    #expect(reward.settings.mode == "partial")
    #expect(reward.label == "shapes")
    #expect(reward.weight == 1)
  }

  @Test func `each reward reads its own keys`() throws {
    let all = try rewards(
      """
      [{name: pickscore, model: weights/pick, precision: bfloat16, batch_size: 4, device: cuda:1},
       {name: hpsv2, model: /weights/hps},
       {name: process, command: [python3, score.py], image_transport: inline, timeout: 2.5, weight: 0.5},
       {name: vlm, urls: ["http://a/v1", "http://b/v1"], model: Qwen/VL, prompt: "Rate {prompt}.",
        pattern: "Score: (.*)", retries: 0, concurrency: 8, api_key_variable: KEY},
       {name: ocr, backend: remote, urls: ["http://c"]}]
      """, "device: cuda\n")
    let pick = all[0].settings
    #expect(pick.model == "/recipes/weights/pick")
    #expect(pick.precision == .bfloat16)
    #expect(pick.batchSize == 4)
    #expect(pick.device == .cuda(1))
    #expect(all[1].settings.device == .cuda(0))
    let process = all[2].settings
    #expect(process.command == ["python3", "score.py"])
    #expect(process.directory == "/recipes")
    #expect(process.imageTransport == .inline)
    #expect(process.timeout == 2.5)
    #expect(all[2].weight == 0.5)
    let chat = all[3].settings
    #expect(chat.urls == ["http://a/v1", "http://b/v1"])
    #expect(chat.model == "Qwen/VL")
    #expect(chat.prompt == "Rate {prompt}.")
    #expect(chat.pattern == "Score: (.*)")
    #expect(chat.retries == 0)
    #expect(chat.concurrency == 8)
    #expect(chat.apiKeyVariable == "KEY")
    #expect(all[4].settings.isRemote)
  }

  @Test func `a key that the reward does not use is an error`() {
    let found = problems("[{name: shapes, urls: [\"http://a\"]}]")
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("unknown key \"urls\" in \"rewards.0\""))
  }

  @Test func `an unknown name is one error, whatever else is given`() {
    let found = problems("[{name: shape, urls: [\"http://a\"], mode: exact}]")
    #expect(found.count == 1)
    #expect(found[0].contains("no reward is named \"shape\""))
  }

  @Test func `a key that the backend leaves without effect is a warning`() throws {
    let text = recipeText([("[{name: shapes}]", "[{name: ocr, urls: [\"http://a\"]}]")])
    let warnings = try readRecipe(text).warnings.map(\.message)
    #expect(warnings == ["rewards.0.urls: has no effect: backend is tesseract"])
  }

  @Test func `two entries of one reward need labels`() throws {
    let same = problems("[{name: shapes}, {name: shapes, mode: strict}]")
    #expect(same == ["rewards: two entries are called shapes; give one of them a label"])
    let labels = try rewards("[{name: shapes}, {name: shapes, mode: strict, label: exact}]")
      .map(\.label)
    #expect(labels == ["shapes", "exact"])
  }

  @Test func `settings of a command line are read as strictly as a recipe's`() throws {
    let recipe = try RewardRecipe.settings("shapes", ["mode=strict"])
    #expect(recipe.settings.mode == "strict")
    let error = #expect(throws: RecipeError.self) {
      try RewardRecipe.settings("shapes", ["weights=3", "mode=1"])
    }
    #expect(error?.issues.count == 2)
  }
}
