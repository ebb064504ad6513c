import Foundation
import Rewards
import Testing

@Suite struct RendezvousTests {
  private let place = RewardPlace(
    rank: 0, size: 2, localRank: 0, localSize: 2, rendezvous: UUID().uuidString)

  private var folder: String {
    URL(filePath: Rendezvous(place, label: "process").path).deletingLastPathComponent()
      .path(percentEncoded: false)
  }

  private func owner() throws -> any Reward {
    var settings = ProcessFactory()
    settings.command = ["true"]
    return try RewardEntry(settings).makeReward(at: place)
  }

  private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }

  @Test func `run, list and label have sockets of their own`() {
    let other = RewardPlace(
      rank: 0, size: 2, localRank: 0, localSize: 2, rendezvous: UUID().uuidString)
    let paths = [
      Rendezvous(place, label: "a"), Rendezvous(place, label: "b"), Rendezvous(other, label: "a"),
      Rendezvous(place.within("held_out_rewards"), label: "a"),
    ].map(\.path)
    #expect(Set(paths).count == 4)
    let peer = RewardPlace(
      rank: 1, size: 2, localRank: 1, localSize: 2, rendezvous: place.rendezvous)
    #expect(Rendezvous(peer, label: "a").path == paths[0])
  }

  @Test(arguments: 1...160)
  func `the path of a socket is never longer than the system allows`(length: Int) {
    let temporary = "/" + String(repeating: "t", count: length)
    let path = Rendezvous(place, label: "process", temporary: temporary).path
    #expect(path.utf8.count <= Rendezvous.longestPath)
    #expect(path.hasPrefix(temporary + "/") || path.hasPrefix("/tmp/"))
  }

  @Test func `the socket is this user's alone and is removed with the reward`() throws {
    var reward: (any Reward)? = try owner()
    let path = Rendezvous(place, label: "process").path
    #expect(try mode(path) == 0o600)
    #expect(try mode(folder) == 0o700)
    #expect(reward?.name == "process")
    reward = nil
    #expect(!FileManager.default.fileExists(atPath: folder))
  }

  @Test func `a socket that an ended process has left is replaced`() throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    let path = Rendezvous(place, label: "process").path
    try Data("stale".utf8).write(to: URL(filePath: path))
    let reward = try owner()
    #expect(reward.name == "process")
    #expect(try mode(path) == 0o600)
  }

  @Test func `a second owner is refused`() throws {
    let first = try owner()
    let error = #expect(throws: RewardError.self) { try owner() }
    #expect(
      error?.description.contains("another process listens at \(folder)") == true,
      "\(String(describing: error))")
    #expect(first.name == "process")
  }

  @Test func `a folder that others may write into is refused`() throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o777])
    #expect(chmod(folder, 0o777) == 0)
    defer { rmdir(folder) }
    let error = #expect(throws: RewardError.self) { try owner() }
    #expect(error?.description.contains("other users may write into it") == true)
  }
}
