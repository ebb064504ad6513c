package import Recipes
package import Torch

/// `unifiedreward`: the vision model UnifiedReward (CodeGoat24/UnifiedReward) behind a chat
/// service; 0.2...1. The keys are those of ``ServiceSettings`` and `model`, `prompt` and `pattern`.
///
/// The model was trained with one image per question, so a sample's sources are not shown.
package struct UnifiedRewardFactory: ServiceRewardFactory {
  package static let name = "unifiedreward"
  package var service: ServiceSettings
  package var question: ChatQuestion

  package init(_ service: ServiceSettings) {
    self.service = service
    question = ChatQuestion(
      model: Self.model, prompt: Self.prompt, pattern: Self.pattern, scale: 5)
    question.showsSources = false
  }

  package init(_ section: RecipeSection, label: String, device: Device) {
    self.init(ServiceSettings(section, label: label))
    if let model = section.optional("model", .string) { question.model = model }
    if let prompt = section.optional("prompt", .string) { question.prompt = prompt }
    if let pattern = section.optional("pattern", .string) { question.pattern = pattern }
  }

  package func check() throws(RewardError) {
    try service.check()
    _ = try question.expression(label: label)
  }

  package func makeReward() throws(RewardError) -> any Reward {
    try ChatReward(service, question)
  }

  /// The name under which the published checkpoint is usually served.
  private static let model = "UnifiedReward-7b-v1.5"

  /// 1 to 5 after "Final Score:".
  private static let pattern = #"(?i)final score[*_\s]*:[*_\s]*(5(?:\.0+)?|[1-4](?:\.\d+)?)"#

  /// The question that the model was trained with for single images. Other words would make another
  /// reward.
  private static let prompt = """
    You are given a text caption and a generated image based on that caption. Your task is to \
    evaluate this image based on two key criteria:
    1. Alignment with the Caption: Assess how well this image aligns with the provided caption. \
    Consider the accuracy of depicted objects, their relationships, and attributes as described in \
    the caption.
    2. Overall Image Quality: Examine the visual quality of this image, including clarity, detail \
    preservation, color accuracy, and overall aesthetic appeal.
    Based on the above criteria, assign a score from 1 to 5 after 'Final Score:'.
    Your task is provided as follows:
    Text Caption: [{prompt}]
    """
}
