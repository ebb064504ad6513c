package import Recipes

/// What a recipe file describes.
package enum RecipePurpose: Sendable {
  /// Fine-tuning a model with rewards.
  case training
  /// Training the embedded model from random weights.
  case pretraining
}

extension RecipeDocument {
  /// Throws one error for a recipe of the other purpose, in place of its unknown and missing keys.
  package func check(_ purpose: RecipePurpose) throws(RecipeError) {
    let (rewards, autoencoder) = (keys.contains("rewards"), keys.contains("autoencoder"))
    switch purpose {
    case .training where autoencoder && !rewards:
      throw error("is a pretraining recipe; run it with tempflow pretrain")
    case .pretraining where rewards && !autoencoder:
      throw error("is a training recipe; run it with tempflow train")
    case .training, .pretraining: break
    }
  }
}
