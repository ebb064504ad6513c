package import Foundations
package import Recipes
package import Torch

/// One kind of reward: its name, the keys of its entry in a recipe, and how the reward is made.
///
/// A value holds the settings of one entry. A further reward is one file with a conforming type and
/// one line in ``RewardRegistry/builtIn``; other targets add theirs with
/// ``RewardRegistry/register(_:)``.
package protocol RewardFactory: Sendable, Equatable {
  /// The name in recipes and on command lines: letters, digits, `-` and `_`.
  static var name: String { get }

  /// Whether the reward compares an image with the source images of its prompt.
  static var sourceImages: SourceImages { get }

  /// Checks the metadata of one prompt, at the start of a run.
  ///
  /// - Parameter metadata: the line of the prompt file, by key.
  /// - Throws: ``PromptFault`` for a prompt whose images the reward cannot score.
  static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault)

  /// What metrics, reports and errors call the reward.
  var label: String { get }

  /// The device of the reward's network; nil for a reward without one.
  var device: Device? { get }

  /// The files of the network's weights; nil for a reward without one.
  var networkFiles: NetworkFiles? { get }

  /// Reads the keys of one entry other than `name` and `label`.
  ///
  /// Faulty values are reported to the section.
  ///
  /// - Parameter device: the default device of a network.
  init(_ section: RecipeSection, label: String, device: Device)

  /// Checks the settings. No weights are loaded, no process is started, no service is called.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for a value that cannot work, and
  ///   ``RewardError/failed(reward:reason:)`` for a program that is not installed.
  func check() throws(RewardError)

  /// The settings of one process among those of a run: its share of what they share, its GPU.
  ///
  /// A process alone has the settings as they are.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for a value that fits a process alone.
  func placed(at place: RewardPlace) throws(RewardError) -> Self

  /// A remark for people about the reward on several processes; nil without one.
  func remark(at place: RewardPlace) -> String?

  /// Makes the reward: loads weights, prepares connections.
  ///
  /// - Throws: what ``check()`` throws, and ``RewardError`` for weights that cannot be read.
  func makeReward() throws(RewardError) -> any Reward
}

/// What a reward does with the source images of an edit.
package enum SourceImages: Sendable {
  /// It judges the image alone.
  case unused
  /// It compares with those that are there.
  case optional
  /// It scores edits only.
  case required
}

extension RewardFactory {
  package static var sourceImages: SourceImages { .unused }
  package static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault) {}
  package var device: Device? { nil }
  package var networkFiles: NetworkFiles? { nil }
  package func check() throws(RewardError) {}
  package func placed(at place: RewardPlace) throws(RewardError) -> Self { self }
  package func remark(at place: RewardPlace) -> String? { nil }
}

/// Why a prompt's metadata does not serve a reward.
package struct PromptFault: Error, Equatable, CustomStringConvertible {
  /// The fault and the remedy, without the place in the file.
  package let description: String

  package init(_ description: String) { self.description = description }
}
