internal import TextTokenizers

/// `pickscore`: PickScore (Kirstain and others, arXiv 2305.01569), the CLIP logit over 26; near
/// 0.8.
package struct PickScoreFactory: NetworkRewardFactory {
  package static let name = "pickscore"
  package static let contents =
    "the files of the Hugging Face repository yuvalkirstain/PickScore_v1"
  package let settings: NetworkSettings

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    let network = try CLIPRewardNetwork(
      settings, tokenizer: .transformers, scale: .logit(over: 26),
      contents: Self.contents)
    return NetworkReward(network, settings)
  }
}
