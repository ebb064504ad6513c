package import Recipes
package import Torch

/// One reward that a recipe or a command line names, with its settings.
package struct RewardEntry: Sendable, Equatable {
  /// The kind of reward and its settings.
  package let factory: any RewardFactory

  package init(_ factory: any RewardFactory) { self.factory = factory }

  /// The name in recipes and on command lines.
  package var name: String { type(of: factory).name }
  /// What metrics, reports and errors call the reward.
  package var label: String { factory.label }
  /// The device of the reward's network; nil for a reward without one.
  package var device: Device? { factory.device }
  /// See ``RewardFactory/networkFiles``.
  package var networkFiles: NetworkFiles? { factory.networkFiles }

  /// See ``RewardFactory/check()``.
  package func check() throws(RewardError) { try factory.check() }

  /// The entry with the settings of one process among those of a run.
  ///
  /// ``device`` is then the GPU of that process. The recipe itself keeps the entry as it is.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for a value that fits a process alone,
  ///   such as a GPU's index.
  package func placed(at place: RewardPlace) throws(RewardError) -> RewardEntry {
    RewardEntry(try factory.placed(at: place))
  }

  /// Makes the reward of one process; see ``RewardFactory/makeReward()``.
  ///
  /// All processes of a host make the same rewards, and each reward once: those of local rank 0
  /// serve the others until they are released. Rank 0 writes remarks to standard error.
  ///
  /// - Throws: what ``placed(at:)`` and ``RewardFactory/makeReward()`` throw.
  package func makeReward(at place: RewardPlace = .alone) throws(RewardError) -> any Reward {
    let placed = try placed(at: place)
    if place.rank == 0, let remark = factory.remark(at: place) {
      RewardNotice.standardError(label)(remark)
    }
    return try placed.factory.makeReward()
  }

  package static func == (first: Self, second: Self) -> Bool {
    first.factory.isEqual(to: second.factory)
  }
}

extension RewardFactory {
  fileprivate func isEqual(to other: any RewardFactory) -> Bool { self == other as? Self }
}

extension RewardEntry {
  /// Reads `name`, `label` and the keys of the named reward; any other key is unknown.
  ///
  /// - Parameter device: the default device of a network.
  package init(_ section: RecipeSection, device: Device) {
    let name = section.string("name")
    let label = section.string("label", default: name)
    do throws(RewardError) {
      let factory = try RewardRegistry.factory(named: name)
      self.init(factory.init(section, label: label, device: device))
    } catch {
      section.report("name", error.description)
      // The keys belong to a reward that is not known, so none of them is an error.
      for key in section.givenKeys { _ = section.shape(of: key) }
      // A valid stand-in, with which the reading goes on to the next error.
      self.init(JPEGCompressibilityFactory(label: label))
      return
    }
    if label.wholeMatch(of: /[A-Za-z0-9_-]+/) == nil {
      section.report(
        "label", "a reward cannot be called \"\(label)\"; use letters, digits, - and _")
    }
    do throws(RewardError) {
      try check()
    } catch .setting(_, let key, let reason) {
      section.report(key, reason)
    } catch {
      // A recipe may be read on a machine that lacks a program.
    }
  }

  /// Reads a reward from a command line, as strictly as an entry of `rewards`.
  ///
  /// - Parameters:
  ///   - name: the reward.
  ///   - overrides: `key=value` each, the value in YAML; relative paths start from the current
  ///     folder.
  ///   - device: the default device of a network.
  /// - Throws: everything wrong with them, unknown keys included.
  package static func read(
    _ name: String, _ overrides: [String], device: Device = .cpu
  ) throws(RecipeError) -> Recipe<RewardEntry> {
    let document = try RecipeDocument(
      option: "--reward", key: "name", value: name, options: ["model": "--reward-model"],
      overrides: overrides)
    return try document.read(renamed: RenamedKeys(keys: renamedKeys)) {
      RewardEntry($0, device: device)
    }
  }

  /// Earlier names of keys -> names.
  package static let renamedKeys = [
    "engine": "backend", "images": "image_transport", "patience": "outage_timeout",
  ]
}

extension RecipeSection {
  /// `batch_size`: the largest number of images in one call of a reward.
  func batchSize(default size: Int) -> Int { int("batch_size", in: 1...65_536, default: size) }
}
