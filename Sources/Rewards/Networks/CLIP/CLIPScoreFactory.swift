internal import TextTokenizers

/// `clipscore`: the logit of OpenAI's CLIP ViT-L/14 over 30; near 0.9.
package struct CLIPScoreFactory: NetworkRewardFactory {
  package static let name = "clipscore"
  package static let contents =
    "the files of the Hugging Face repository openai/clip-vit-large-patch14"
  package let settings: NetworkSettings

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    let network = try CLIPRewardNetwork(
      settings, tokenizer: .transformers, scale: .logit(over: 30),
      contents: Self.contents)
    return NetworkReward(network, settings)
  }
}
