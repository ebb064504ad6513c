internal import TextTokenizers

/// `hpsv2`: HPSv2.1 (Wu and others, arXiv 2306.09341), the CLIP cosine; near 0.27.
package struct HPSv2Factory: NetworkRewardFactory {
  package static let name = "hpsv2"
  package static let contents =
    "config.json, model.safetensors, tokenizer and preprocessor files as Tools/convert_hpsv2.py "
    + "writes them from HPS_v2.1_compressed.pt of the Hugging Face repository xswu/HPSv2"
  package let settings: NetworkSettings

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    let network = try CLIPRewardNetwork(
      settings, tokenizer: .openCLIP, fit: .padded, scale: .cosine, contents: Self.contents)
    return NetworkReward(network, settings)
  }
}
