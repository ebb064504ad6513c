package import Foundations
package import Recipes
package import Torch

/// `vlm`: ``ChatReward`` with a question of the recipe's own. The keys are those of
/// ``ServiceSettings`` and `model`, `prompt` (required), `read`, `pattern` and `digits`.
package struct VLMFactory: ServiceRewardFactory {
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
    question.reading = section.choice("read", default: question.reading)
    switch question.reading {
    case .pattern:
      if let pattern = section.optional("pattern", .string) { question.pattern = pattern }
      section.unused("digits", because: "read is pattern")
    case .digitExpectation:
      question.largestDigit = section.int("digits", in: 1...9, default: question.largestDigit)
      section.unused("pattern", because: "read is digit_expectation")
    }
  }

  package static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault) {
    guard let requirement = metadata["requirement"], requirement != .null,
      requirement.string == nil
    else { return }
    throw PromptFault(
      "requirement is \(requirement.messageText), and the reward vlm reads it as a text; write it "
        + "in quotes")
  }

  package func check() throws(RewardError) {
    try service.check()
    _ = try question.expression(label: label)
  }

  package func makeReward() throws(RewardError) -> any Reward {
    try ChatReward(service, question)
  }
}
