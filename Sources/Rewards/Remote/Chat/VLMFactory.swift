package import Recipes
package import Torch

/// `vlm`: ``ChatReward`` with a question of the recipe's own. The keys are those of
/// ``ServiceSettings`` and `model`, `prompt` (required) and `pattern`.
package struct VLMFactory: RewardFactory {
  package static let name = "vlm"
  package static let sourceImages = SourceImages.optional
  package var service: ServiceSettings
  package var question: ChatQuestion

  package init(_ service: ServiceSettings, prompt: String) {
    self.service = service
    question = ChatQuestion(model: "default", prompt: prompt, pattern: ChatQuestion.scorePattern)
  }

  package init(_ section: RecipeSection, label: String, device: Device) {
    self.init(ServiceSettings(section, label: label), prompt: "")
    if let model = section.optional("model", .string) { question.model = model }
    question.prompt = section.string("prompt")
    if let pattern = section.optional("pattern", .string) { question.pattern = pattern }
  }

  package var label: String { service.label }

  package func check() throws(RewardError) {
    try service.check()
    _ = try question.expression(label: label)
  }

  package func makeReward() throws(RewardError) -> any Reward {
    try ChatReward(service, question)
  }
}
