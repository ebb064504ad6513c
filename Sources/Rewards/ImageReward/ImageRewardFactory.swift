/// `imagereward`: ImageReward v1.0 (arXiv 2304.05977), human preference; about -2...2, mean 0.
package struct ImageRewardFactory: NetworkRewardFactory {
  package static let name = "imagereward"
  package let settings: NetworkSettings

  package init(_ settings: NetworkSettings) { self.settings = settings }

  package func makeReward() throws(RewardError) -> any Reward {
    NetworkReward(try ImageRewardNetwork(settings), settings)
  }
}
