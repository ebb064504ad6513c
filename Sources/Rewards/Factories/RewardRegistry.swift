internal import Synchronization

/// Every kind of reward by its name.
package enum RewardRegistry {
  /// The rewards of this package, in alphabetical order.
  package static let builtIn: [any RewardFactory.Type] = [
    AestheticFactory.self,
    CLIPScoreFactory.self,
    EditScoreFactory.self,
    GenEvalFactory.self,
    HPSv2Factory.self,
    HPSv3Factory.self,
    HTTPFactory.self,
    ImageRewardFactory.self,
    JPEGCompressibilityFactory.self,
    JPEGIncompressibilityFactory.self,
    OCRFactory.self,
    PickScoreFactory.self,
    ProcessFactory.self,
    ShapesFactory.self,
    ShapesEditFactory.self,
    UnifiedRewardFactory.self,
    VLMFactory.self,
  ]

  private static let registered = Mutex<[any RewardFactory.Type]>([])

  /// Adds a kind of reward, which recipes and commands can name from then on.
  ///
  /// The call may come from any thread. A name that is taken is a programming error.
  package static func register(_ factory: any RewardFactory.Type) {
    registered.withLock { registered in
      precondition(
        !(builtIn + registered).contains { $0.name == factory.name },
        "a reward named \(factory.name) is registered already")
      registered.append(factory)
    }
  }

  /// Every kind of reward, in alphabetical order of names.
  package static var all: [any RewardFactory.Type] {
    (builtIn + registered.withLock { $0 }).sorted { $0.name < $1.name }
  }

  /// Every name, in alphabetical order.
  package static var names: [String] { all.map { $0.name } }

  /// The kind of reward with this name.
  ///
  /// - Throws: ``RewardError/unknown(name:known:)`` when there is none.
  package static func factory(named name: String) throws(RewardError) -> any RewardFactory.Type {
    guard let factory = all.first(where: { $0.name == name }) else {
      throw .unknown(name: name, known: names)
    }
    return factory
  }
}
