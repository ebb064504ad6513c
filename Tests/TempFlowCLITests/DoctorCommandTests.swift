import Foundation
import TestSupport
import Testing

@Suite struct DoctorCommandTests {
  /// The output folder of `Tests/SimulatedCUDA`, and whether libtorch includes its CUDA library.
  private static let simulation = ProcessInfo.processInfo.environment["SIMULATED_CUDA"]
  private static let hasRealLibrary = FileManager.default.fileExists(
    atPath: (ProcessInfo.processInfo.environment["LIBTORCH"]
      ?? repositoryFolder() + "/.libtorch/torch") + "/lib/libtorch_cuda.so")

  /// The variables on which the findings depend; empty ones count as missing.
  private let quiet = Dictionary(
    uniqueKeysWithValues: [
      "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
      "TORCHELASTIC_RUN_ID", "TEMPFLOW_LAUNCH", "SLURM_STEP_ID", "OMPI_COMM_WORLD_RANK",
      "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE",
      "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME",
    ].map { ($0, "") })

  /// The variables of a world of one.
  private func world(_ host: String, _ port: some CustomStringConvertible) -> [String: String] {
    [
      "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
      "MASTER_ADDR": host, "MASTER_PORT": port.description,
    ]
  }

  private func doctor(
    _ arguments: [String] = [], _ environment: [String: String] = [:]
  ) throws -> CommandOutcome {
    try tempflow(["doctor"] + arguments, environment: quiet.merging(environment) { $1 })
  }

  /// The level and detail of one finding.
  private func finding(
    _ subject: String, _ arguments: [String] = [], _ environment: [String: String] = [:]
  ) throws -> (level: String, detail: String, status: Int32) {
    let outcome = try doctor(arguments + ["--json"], environment)
    let all = try outcome.json["findings"] as? [[String: Any]] ?? []
    let found = try #require(all.first { $0["subject"] as? String == subject })
    return (
      found["level"] as? String ?? "", found["detail"] as? String ?? "", outcome.status
    )
  }

  @Test func `doctor reports as lines and as one object`() throws {
    let subjects = [
      "libtorch", "threads", "kernels", "CUDA", "NCCL", "model", "disk", "cache", "processes",
      "network",
    ]
    let lines = try doctor().output
    for subject in subjects { #expect(lines.contains(subject)) }
    let findings = try doctor(["--json"]).json["findings"] as? [[String: Any]]
    #expect(findings?.compactMap { $0["subject"] as? String } == subjects)
  }

  @Test func `doctor says which process this is, and who numbered it`() throws {
    let alone = try finding("processes")
    #expect(alone.level == "good" && alone.detail == "1, without a launcher")
    let world = world("127.0.0.1", 29500).merging(
      ["RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"]) { $1 }
    let given = try finding("processes", [], world)
    #expect(given.detail.hasPrefix("rank 3 of 4, on this host 1 of 2, by RANK and WORLD_SIZE"))
    let torchrun = try finding(
      "processes", [],
      world.merging(["TORCHELASTIC_RUN_ID": "1"]) { $1 })
    #expect(torchrun.detail.contains("by torchrun"), "\(torchrun)")
    let faulty = try finding("processes", [], world.merging(["RANK": "4"]) { $1 })
    #expect(faulty.level == "failure" && faulty.status == 1)
    #expect(faulty.detail.contains("RANK is '4'"), "\(faulty)")
  }

  @Test func `a program at the address is expected where another process keeps the store`() throws {
    let program = try LocalSocket(backlog: 4)
    let second = world("127.0.0.1", program.port).merging(
      ["RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"]) { $1 }
    let found = try finding("address", [], second)
    #expect(found.level == "good" && found.detail.hasSuffix("answers"))
  }

  /// The other processes of a launch check the address at the same moment, as rank 0 listens.
  @Test func `a process with another rank leaves listening to rank 0`() throws {
    let rankZero = try LocalSocket(backlog: nil)
    let second = world("127.0.0.1", rankZero.port).merging(
      ["RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"]) { $1 }
    let found = try finding("address", [], second)
    #expect(found.level == "good" && found.status == 0, "\(found)")
    #expect(found.detail.hasSuffix("no program listens there until rank 0 does"), "\(found)")
    let agent = try finding("address", [], second.merging(
      ["TORCHELASTIC_USE_AGENT_STORE": "True"]) { $1 })
    #expect(agent.level == "warning" && agent.detail.contains("start rank 0 or the launcher"))
  }

  @Test func `doctor tries the address of --address or of the environment`() throws {
    let program = try LocalSocket(backlog: 4)
    let free = try LocalSocket(backlog: nil).port
    let variables = world("127.0.0.1", free)
    let found = try finding("address", [], variables)
    #expect(found.level == "good" && found.status == 0)
    #expect(found.detail.hasPrefix("127.0.0.1:\(free) (127.0.0.1) is this host, and its port is"))
    let given = try finding("address", ["--address", "127.0.0.1:\(program.port)"], variables)
    #expect(given.level == "warning" && given.status == 0)
    #expect(given.detail.contains(":\(program.port) (127.0.0.1) is this host, and a program"))
  }

  @Test func `a port that rank 0 cannot have is a failure`() throws {
    let program = try LocalSocket(backlog: nil)
    let found = try finding("address", ["--address", "127.0.0.1:\(program.port)"])
    #expect(found.level == "failure" && found.status == 1)
    #expect(found.detail.hasSuffix("cannot listen: Address already in use; choose another port"))
  }

  @Test func `doctor fails with the remedy for an address that cannot be used`() throws {
    let host = String(repeating: "a", count: 300)
    let unknown = try finding("address", [], world(host, 29500))
    #expect(unknown.level == "failure" && unknown.status == 1)
    #expect(unknown.detail.contains("use a name or address of rank 0's host"))
    let option = try doctor(["--address", "node1"])
    #expect(option.status == 64 && option.errors.contains("'node1' is no HOST:PORT"))
  }

  @Test(arguments: ["GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"])
  func `doctor finds an interface that this host lacks`(_ variable: String) throws {
    let found = try finding("network", [], [variable: "nope7"])
    #expect(found.level == "failure" && found.status == 1)
    #expect(found.detail.contains("\(variable) names nope7, which this host lacks"))
    let loopback = try finding("network", [], [variable: "lo"])
    #expect(loopback.level == "good" && loopback.detail.contains("\(variable)=lo"))
  }

  /// Without a GPU, but with libtorch's CUDA library loaded as on a machine that has one.
  @Test(
    .enabled(if: simulation != nil, "Tools/test.sh builds the program that loads the library"),
    .enabled(if: hasRealLibrary, "this libtorch is built without CUDA"))
  func `doctor finds NCCL in libtorch's CUDA library`() throws {
    let folder = try #require(Self.simulation)
    let outcome = try doctor(["--json"], ["LD_PRELOAD": "\(folder)/preload.so"])
    let all = try outcome.json["findings"] as? [[String: Any]] ?? []
    let nccl = try #require(all.first { $0["subject"] as? String == "NCCL" })
    #expect(nccl["level"] as? String == "good", "\(nccl)")
    #expect((nccl["detail"] as? String ?? "").hasSuffix("in libtorch's CUDA library"))
  }
}
