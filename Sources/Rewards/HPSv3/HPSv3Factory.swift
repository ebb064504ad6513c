/// `hpsv3`: HPSv3 (arXiv 2508.03789), human preference for quality and prompt; about 0...15.
package struct HPSv3Factory: NetworkRewardFactory {
  package static let name = "hpsv3"
  package let settings: NetworkSettings

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    NetworkReward(try HPSv3Network(settings), settings)
  }
}
