internal import Recipes
package import TorchNN

/// The trainable parameters: the keys `trainable` and `lora`.
package enum LearningRecipe: Sendable, Equatable {
  /// Low-rank adapters beside frozen weights, as in the paper.
  ///
  /// - Parameter initFrom: the initial adapters, a path that `LoRA` reads; nil draws new ones.
  case lora(LoRAConfig, initFrom: String?)
  /// Every weight of the transformer.
  case full

  private enum Name: String, CaseIterable {
    case lora, full
  }

  /// - Parameter defaultTargets: the default LoRA targets of the model's family.
  init(_ root: RecipeSection, defaultTargets: [String]) {
    switch root.choice("trainable") as Name {
    case .full:
      self = .full
      root.unused("lora", because: "trainable is full")
    case .lora:
      let section = root.section("lora")
      let rank = section.int("rank", in: 1...4096, default: 32)
      self = .lora(
        LoRAConfig(
          rank: rank,
          alpha: section.double("alpha", in: .above(0), default: 2 * Double(rank)),
          targets: section.list(
            "targets", of: .string, count: 1..., default: defaultTargets)),
        initFrom: section.optional("init_from", .path))
    }
  }

  /// The adapters to create; nil when every weight is trained.
  package var adapters: LoRAConfig? {
    if case .lora(let config, _) = self { config } else { nil }
  }

  /// The path of the initial adapters; nil if new ones are drawn, or if there are none.
  package var initFrom: String? {
    if case .lora(_, let path) = self { path } else { nil }
  }
}
