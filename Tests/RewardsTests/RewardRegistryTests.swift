import Rewards
import Testing

@Suite struct RewardRegistryTests {
  @Test func `every registered name gives a scorer of that name in each of its modes`() throws {
    for name in RewardRegistry.names {
      #expect(try RewardRegistry.reward(name).name == name)
      for mode in try RewardRegistry.modes(of: name) {
        #expect(try RewardRegistry.reward(name, mode: mode).name == name)
      }
    }
  }

  @Test func `partial credit is what shapes scores unless told otherwise`() throws {
    let reward = try #require(try RewardRegistry.reward("shapes") as? ShapesReward)
    #expect(reward.mode == .partial)
  }

  @Test func `an unknown name or mode is an error that lists what there is`() throws {
    let name = #expect(throws: RewardError.self) { try RewardRegistry.reward("shape") }
    #expect(name?.description == "no reward is named \"shape\"; there is shapes")
    let mode = #expect(throws: RewardError.self) {
      try RewardRegistry.reward("shapes", mode: "exact")
    }
    #expect(
      mode?.description == "the reward shapes has no mode \"exact\"; there is partial, strict")
  }
}
