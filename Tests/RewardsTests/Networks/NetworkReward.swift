import Rewards

/// The reward `name`, which is a network, with these settings.
func networkReward(
  _ name: String, _ settings: NetworkSettings
) throws(RewardError) -> any Reward {
  guard let kind = try RewardRegistry.factory(named: name) as? any NetworkRewardFactory.Type else {
    throw .failed(reward: name, reason: "it is not a network")
  }
  return try kind.init(settings).makeReward()
}
