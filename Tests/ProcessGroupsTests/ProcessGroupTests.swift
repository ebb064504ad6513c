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
}
