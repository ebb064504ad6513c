import Foundation
import Recipes
import Rewards
import Testing
import Torch

@Suite struct RewardPlaceTests {
  private func place(_ rank: Int, of size: Int, local: Int, of localSize: Int) -> RewardPlace {
    RewardPlace(rank: rank, size: size, localRank: local, localSize: localSize, rendezvous: "run")
  }

  private func entry(_ name: String, _ overrides: String...) throws -> RewardEntry {
    try RewardEntry.read(name, overrides).settings
  }

  @Test(arguments: 1...24)
  func `shares of a limit add up to it, and each process has one at least`(size: Int) {
    for total in 1...80 {
      let shares = (0..<size).map { place($0, of: size, local: 0, of: 1).share(of: total) }
      #expect(shares.map(\.count).reduce(0, +) == max(total, size))
      #expect(shares.allSatisfy { $0.count >= 1 })
      #expect(shares.map(\.count).max()! - shares.map(\.count).min()! <= 1)
      #expect(shares[0].lowerBound == 0)
      #expect(zip(shares, shares.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
      let local = (0..<size).map { place(0, of: 99, local: $0, of: size).localShare(of: total) }
      #expect(local == shares)
    }
  }

  @Test(arguments: ["http", "editscore", "vlm", "unifiedreward", "geneval", "ocr"])
  func `a service's concurrency and addresses are shared by the run`(name: String) throws {
    var overrides = ["urls=['http://a','http://b','http://c']", "concurrency=8"]
    if name == "vlm" { overrides.append("prompt=a") }
    if name == "geneval" || name == "ocr" { overrides.append("backend=remote") }
    let entry = try RewardEntry.read(name, overrides).settings
    let services = try (0..<3).map { rank in
      let placed = try entry.placed(at: place(rank, of: 3, local: rank, of: 3))
      return try #require(placed.factory as? any ServiceRewardFactory).service
    }
    #expect(services.map(\.concurrency) == [3, 3, 2])
    #expect(services.map(\.urls.first) == ["http://a", "http://a", "http://a"])
    let four = try (0..<4).map { rank in
      let placed = try entry.placed(at: place(rank, of: 4, local: 0, of: 1))
      return try #require(placed.factory as? any ServiceRewardFactory).service.urls
    }
    #expect(four.map { $0[0] } == ["http://a", "http://c", "http://b", "http://a"])
    #expect(four.allSatisfy { Set($0) == ["http://a", "http://b", "http://c"] })
    #expect(try entry.placed(at: .alone) == entry)
  }

  @Test func `fewer requests than processes are remarked`() throws {
    let entry = try entry("http", "urls=['http://a']", "concurrency=4")
    #expect(entry.factory.remark(at: place(0, of: 4, local: 0, of: 4)) == nil)
    #expect(
      entry.factory.remark(at: place(0, of: 6, local: 0, of: 6))
        == "concurrency is 4, and each of the run's 6 processes has one request in flight, so there "
        + "are up to 6")
  }

  @Test func `the requests of all processes in flight stay within the limit`() async throws {
    let server = try FaultyServer()
    var factory = HTTPFactory(service("http", urls: [server.url("slow")]))
    factory.batchSize = 1
    factory.service.concurrency = 4
    let rewards = try (0..<3).map {
      try RewardEntry(factory).makeReward(at: place($0, of: 3, local: $0, of: 3))
    }
    let totals = try await withThrowingTaskGroup(of: [Double?].self) { group in
      for reward in rewards { group.addTask { try await reward.score(samples(6)).total } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(totals == Array(repeating: (1...6).map(Double.init), count: 3))
    #expect(try #require(try server.maxInFlight()) <= 4)
  }

  @Test func `the processes of tesseract are shared by those of the host`() throws {
    var ocr = OCRFactory()
    ocr.service.concurrency = 5
    let shares = try (0..<2).map {
      try ocr.placed(at: place(6 + $0, of: 8, local: $0, of: 2)).service.concurrency
    }
    #expect(shares == [3, 2])
  }

  @Test func `cuda is the GPU of the process, and an index fits a process alone`() throws {
    let third = place(6, of: 8, local: 2, of: 4)
    let cuda = try entry("pickscore", "model=/w", "device=cuda")
    #expect(try cuda.placed(at: third).device == .cuda(2))
    #expect(try cuda.placed(at: .alone) == cuda)
    #expect(try entry("pickscore", "model=/w").placed(at: third).device == .cpu)
    let first = try entry("pickscore", "model=/w", "device=cuda:0", "label=taste")
    #expect(try first.placed(at: .alone).device == .cuda(0))
    #expect(try first.placed(at: place(1, of: 2, local: 0, of: 1)).device == .cuda(0))
    let error = #expect(throws: RewardError.self) { try first.placed(at: third) }
    #expect(
      error?.description
        == "the reward taste cannot be set up: device is cuda:0, one GPU for all 4 processes of this "
        + "host; write cuda, which is each process's own GPU, or cpu")
  }

  @Test func `other rewards are the same on every process`() throws {
    for name in ["shapes", "jpeg_compressibility"] {
      let entry = try entry(name)
      #expect(try entry.placed(at: place(1, of: 2, local: 1, of: 2)) == entry)
    }
  }
}
