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

  @Test func `a reward that is not built is known and cannot be had`() throws {
    for name in RewardRegistry.notBuilt {
      #expect(try RewardRegistry.modes(of: name).isEmpty)
      let error = #expect(throws: RewardError.self) { try RewardRegistry.reward(name) }
      #expect(error?.description.contains("\(name) is not built in this version") == true)
    }
  }

  @Test func `a mode for a reward without modes is an error`() throws {
    let error = #expect(throws: RewardError.self) {
      try RewardRegistry.reward("jpeg_compressibility", mode: "strict")
    }
    #expect(error?.description == "the reward jpeg_compressibility has no modes; leave mode out")
  }

  @Test func `an unknown name or mode is an error that lists what there is`() throws {
    let name = #expect(throws: RewardError.self) { try RewardRegistry.reward("shape") }
    #expect(name?.description == "no reward is named \"shape\"; there is jpeg_compressibility, jpeg_incompressibility, shapes")
    let mode = #expect(throws: RewardError.self) {
      try RewardRegistry.reward("shapes", mode: "exact")
    }
    #expect(
      mode?.description == "the reward shapes has no mode \"exact\"; there is partial, strict")
  }
}
