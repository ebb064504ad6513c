/// `aesthetic`: how pleasing an image looks, whatever its prompt; people's ratings run from 1 to
/// 10.
package struct AestheticFactory: NetworkRewardFactory {
  package static let name = "aesthetic"
  package static let contents =
    "the files of the Hugging Face repository openai/clip-vit-large-patch14 and "
    + "aesthetic.safetensors as Tools/convert_aesthetic.py writes it"
  package let settings: NetworkSettings

  /// The text tower.
  package static let unread = ["text_model.", "text_projection.", "logit_scale"]

  package static func baseNames(in folder: String) -> [String] { ["model", "aesthetic"] }

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    NetworkReward(try AestheticNetwork(settings), settings)
  }
}
