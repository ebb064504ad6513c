/// `imagereward`: ImageReward v1.0 (arXiv 2304.05977), human preference; about -2...2, mean 0.
package struct ImageRewardFactory: NetworkRewardFactory {
  package static let name = "imagereward"
  package static let contents =
    "config.json, model.safetensors and vocab.txt as Tools/convert_imagereward.py writes them from "
    + "ImageReward.pt of the Hugging Face repository THUDM/ImageReward and vocab.txt of "
    + "google-bert/bert-base-uncased"
  package let settings: NetworkSettings

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    NetworkReward(try ImageRewardNetwork(settings), settings)
  }
}
