import Rewards
import Testing

@Suite struct RewardRegistryTests {
  private func problem(_ settings: RewardSettings) -> String? {
    #expect(throws: RewardError.self) { try RewardRegistry.check(settings) }?.description
  }

  @Test func `every reward that needs no setting gives a scorer under its label in each mode`()
    throws
  {
    for family in RewardFamily.all where family.required.isEmpty {
      #expect(try RewardRegistry.reward(RewardSettings(family.name)).name == family.name)
      for mode in family.modes {
        var settings = RewardSettings(family.name, label: "mine")
        settings.mode = mode
        #expect(try RewardRegistry.reward(settings).name == "mine")
      }
    }
  }

  @Test func `partial credit is what shapes scores unless told otherwise`() throws {
    let reward = try #require(try RewardRegistry.reward(RewardSettings("shapes")) as? ShapesReward)
    #expect(reward.mode == .partial)
  }

  @Test
  func `rewards are listed once, in alphabetical order, with what they require among their keys`() {
    let names = RewardFamily.all.map(\.name)
    #expect(names == Set(names).sorted())
    for family in RewardFamily.all {
      #expect(Set(family.required).isSubset(of: family.keys), "\(family.name)")
      #expect(family.keys.contains(.mode) == !family.modes.isEmpty, "\(family.name)")
      #expect(family.keys.contains(.backend) == !family.backends.isEmpty, "\(family.name)")
    }
  }

  @Test func `a mode for a reward without modes is an error`() {
    var settings = RewardSettings("jpeg_compressibility")
    settings.mode = "strict"
    #expect(problem(settings) == "the reward jpeg_compressibility has no modes; leave mode out")
  }

  @Test func `an unknown name or mode is an error that lists what there is`() {
    let known = RewardRegistry.names.joined(separator: ", ")
    #expect(problem(RewardSettings("shape")) == "no reward is named \"shape\"; there is \(known)")
    var settings = RewardSettings("shapes")
    settings.mode = "exact"
    #expect(
      problem(settings) == "the reward shapes has no mode \"exact\"; there is partial, strict")
  }

  @Test func `a value that cannot work is refused with its key`() {
    func problem(_ change: (inout RewardSettings) -> Void) -> String? {
      var settings = RewardSettings("shapes")
      change(&settings)
      return self.problem(settings)
    }
    let start = "the reward shapes cannot be set up: "
    #expect(
      problem { $0.timeout = 0 }
        == start + "timeout must be a number of seconds above 0, found 0.0")
    #expect(problem { $0.timeout = .infinity }?.hasPrefix(start + "timeout must be") == true)
    #expect(problem { $0.retries = -1 } == start + "retries must be at least 0, found -1")
    #expect(problem { $0.concurrency = 0 } == start + "concurrency must be at least 1, found 0")
    #expect(problem { $0.batchSize = 0 } == start + "batch_size must be at least 1, found 0")
    #expect(
      problem { $0.label = "a.b" }
        == "a reward cannot be called \"a.b\"; use letters, digits, - and _")
  }

  @Test func `a key in place of a variable's name is refused and not repeated`() {
    var settings = RewardSettings("shapes")
    settings.apiKeyVariable = "sk-1234567890"
    let problem = problem(settings)
    #expect(problem?.contains("must be the name of an environment variable") == true)
    #expect(problem?.contains("1234") == false)
  }
}
