internal import Torch

/// `hpsv3`: HPSv3 (arXiv 2508.03789), human preference for quality and prompt; about 0...15.
package struct HPSv3Factory: NetworkRewardFactory {
  package static let name = "hpsv3"
  package static let contents =
    "HPSv3.safetensors of the Hugging Face repository MizzenAI/HPSv3, and config.json, "
    + "vocab.json, merges.txt and tokenizer_config.json of Qwen/Qwen2-VL-7B-Instruct"
  package let settings: NetworkSettings

  package static let unread = ["lm_head."]

  package static func baseNames(in folder: String) -> [String] {
    [WeightsFile.exists(folder: folder, baseName: "HPSv3") ? "HPSv3" : "model"]
  }

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    NetworkReward(try HPSv3Network(settings), settings)
  }
}
