import ProcessGroups
import Testing
import Torch

@Suite struct ProcessGroupTests {
  @Test func `a process alone is the leader, and its collectives change nothing`() throws {
    let group = ProcessGroup.alone
    #expect(group.isLeader && group.size == 1)
    let tensor = Tensor([1, 2] as [Float], shape: [2])
    try group.allReduce(tensor, "a sum")
    try group.broadcast(tensor, "a broadcast")
    #expect(tensor.floats() == [1, 2])
    #expect(try group.allGather(tensor, "a gather").shape == [1, 2])
    #expect(try group.gather([7], "bytes") == [[7]])
  }

  @Test func `a world of one joins the engine`() throws {
    let variables = LaunchVariables(
      rank: 0, size: 1, localRank: 0, localSize: 1, host: "127.0.0.1", port: 0)
    let group = try ProcessGroup(variables, timeout: .seconds(20))
    let tensor = Tensor([1, 2] as [Float], shape: [2])
    try group.allReduce(tensor, "a sum")
    #expect(tensor.floats() == [1, 2])
    #expect(try group.gather([7, 8], "bytes") == [[7, 8]])
  }

  @Test func `an address that does not reach the others is told from a store that is not found`() {
    func text(_ reason: String) -> String {
      ProcessGroupError.notJoined(rank: 1, size: 2, address: "node1:29500", reason: reason)
        .description
    }
    #expect(text("Gloo connectFullMesh failed with timed out").contains("GLOO_SOCKET_IFNAME"))
    #expect(text("Timed out after 4 seconds").contains("MASTER_ADDR and MASTER_PORT"))
  }

  /// Each failure is printed once: by rank 0, or by those who find rank 0 itself missing.
  @Test func `one process says that another is lost or late`() {
    func speakers(_ make: ([ProcessGroupError.Peer]) -> ProcessGroupError, _ lost: [Int]) -> [Int] {
      let error = make(lost.map { ProcessGroupError.Peer(rank: $0, place: "node, process \($0)") })
      return (0..<4).filter { error.isSaid(by: $0) }
    }
    func lost(_ peers: [ProcessGroupError.Peer]) -> ProcessGroupError {
      .lost(peers: peers, during: "the rollout", reason: "closed")
    }
    func late(_ peers: [ProcessGroupError.Peer]) -> ProcessGroupError {
      .late(peers: peers, during: "the rollout", reason: "timed out")
    }
    #expect(speakers(lost, [2]) == [0] && speakers(late, [2, 3]) == [0])
    #expect(speakers(lost, [0]) == [0, 1, 2, 3] && speakers(late, [0, 2]) == [0, 1, 2, 3])
    // No process is missing, so each one's failure is its own.
    #expect(speakers(lost, []) == [0, 1, 2, 3])
    let store = ProcessGroupError.storeLost(
      address: "node1:29500", holder: "rank 0", during: "the rollout", reason: "closed")
    #expect((0..<4).allSatisfy { store.isSaid(by: $0) })
    #expect((0..<4).filter { ProcessGroupError.noNCCL(reason: "absent").isSaid(by: $0) } == [0])
  }
}
