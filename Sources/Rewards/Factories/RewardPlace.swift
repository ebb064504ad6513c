package import Torch

/// The place of a process among those of a run, for the rewards that the processes share.
package struct RewardPlace: Sendable, Hashable {
  /// The number of the process, 0..<`size`.
  package let rank: Int
  /// The processes of the run.
  package let size: Int
  /// The number of the process among those of its host, 0..<`localSize`.
  package let localRank: Int
  /// The processes of this host.
  package let localSize: Int
  /// A text that the run's processes on this host share, and no other run on it.
  package private(set) var rendezvous: String

  package init(rank: Int, size: Int, localRank: Int, localSize: Int, rendezvous: String) {
    precondition((0..<size).contains(rank) && (0..<localSize).contains(localRank))
    self.rank = rank
    self.size = size
    self.localRank = localRank
    self.localSize = localSize
    self.rendezvous = rendezvous
  }

  /// A process without others.
  package static let alone = RewardPlace(
    rank: 0, size: 1, localRank: 0, localSize: 1, rendezvous: "")

  /// The place for the rewards of one list of a recipe. Labels are unique within a list alone.
  package func within(_ list: String) -> RewardPlace {
    var place = self
    place.rendezvous += "/" + list
    return place
  }

  /// A device without an index, on this process: the first GPU stands for that of the local rank.
  ///
  /// A process that is alone on its host keeps the device.
  package func device(_ device: Device) -> Device {
    guard case .cuda = device, localSize > 1 else { return device }
    return .cuda(localRank)
  }

  /// This process's share of `total` places in a line, such as requests in flight, among all
  /// processes of the run. Shares differ by 1 at most and follow each other; with fewer places than
  /// processes, each has the one at its rank.
  package func share(of total: Int) -> Range<Int> {
    Self.share(of: total, of: rank, among: size)
  }

  /// The same among the processes of this host.
  package func localShare(of total: Int) -> Range<Int> {
    Self.share(of: total, of: localRank, among: localSize)
  }

  private static func share(of total: Int, of member: Int, among count: Int) -> Range<Int> {
    if total < count { return member..<member + 1 }
    let (least, larger) = total.quotientAndRemainder(dividingBy: count)
    let start = member * least + min(member, larger)
    return start..<start + least + (member < larger ? 1 : 0)
  }
}
