import Foundation
import ProcessGroups
import Testing

@Suite struct LaunchVariablesTests {
  static let torchrun = [
    "RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node0", "MASTER_PORT": "29500",
  ]

  /// The error of an environment; nil if it has none.
  private func failure(_ environment: [String: String]) -> LaunchVariablesError? {
    do throws(LaunchVariablesError) {
      _ = try LaunchVariables(environment: environment)
      return nil
    } catch { return error }
  }

  @Test func `without a launcher's variables a process is alone`() throws {
    #expect(try LaunchVariables(environment: [:]) == nil)
    #expect(try LaunchVariables(environment: ["HOME": "/", "RANK": ""]) == nil)
  }

  @Test func `torchrun's variables are taken as they are`() throws {
    let found = try LaunchVariables(environment: Self.torchrun)
    #expect(
      found
        == LaunchVariables(
          rank: 3, size: 8, localRank: 1, localSize: 2, host: "node0", port: 29500))
    let agent = [
      "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "2",
      "TORCHELASTIC_RUN_ID": "none",
    ]
    let joined = try #require(
      try LaunchVariables(environment: Self.torchrun.merging(agent) { $1 }))
    #expect(joined.launcherHasStore && joined.restartCount == 2)
    // Runs without a name of their own are told apart by the process that starts them.
    #expect(joined.launch == "torchrun \(getppid())")
    let named = agent.merging(["TORCHELASTIC_RUN_ID": "job-7"]) { $1 }
    #expect(
      try LaunchVariables(environment: Self.torchrun.merging(named) { $1 })?.launch
        == "torchrun job-7")
  }

  @Test func `a PyTorchJob sets no local rank, and each process is alone on its host`() throws {
    let job = Self.torchrun.filter { !$0.key.hasPrefix("LOCAL") }
    let found = try #require(try LaunchVariables(environment: job))
    #expect(found.rank == 3 && found.size == 8 && found.localRank == 0 && found.localSize == 1)
  }

  @Test func `a local rank alone is taken, and the host's processes are counted later`() throws {
    let given = Self.torchrun.filter { $0.key != "LOCAL_WORLD_SIZE" }
    let found = try #require(try LaunchVariables(environment: given))
    #expect(found.localRank == 1 && found.localSize == nil && found.mayHaveOtherHosts)
    #expect(
      failure(given.merging(["LOCAL_RANK": "8"]) { $1 })
        == .invalid(
          name: "LOCAL_RANK", value: "8", expected: "an integer in 0...7 (WORLD_SIZE is 8)"))
  }

  @Test func `a script between a launcher and the processes leaves them their places on the host`()
    throws
  {
    // srun or mpirun starts a script that sets RANK and WORLD_SIZE alone.
    let step = SlurmVariablesTests.step
    let script = [
      "RANK": "3", "WORLD_SIZE": "5", "MASTER_ADDR": "node03", "MASTER_PORT": "29500",
    ]
    let task = try #require(try LaunchVariables(environment: step.merging(script) { $1 }))
    #expect(task.rank == 3 && task.localRank == 1 && task.localSize == 2)
    let unknown = step.merging(script) { $1 }
      .filter { $0.key != "SLURM_STEP_TASKS_PER_NODE" }
    let uncounted = try #require(try LaunchVariables(environment: unknown))
    #expect(uncounted.localRank == 1 && uncounted.localSize == nil)
    let process = OpenMPIVariablesTests.process.merging(
      script.merging(["RANK": "1", "WORLD_SIZE": "4"]) { $1 }) { $1 }
    let found = try #require(try LaunchVariables(environment: process))
    #expect(found.localRank == 1 && found.localSize == 4)
    // Within mpirun's own step of daemons, one a host.
    let daemon = [
      "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "2",
      "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2", "SLURM_NODEID": "0",
    ]
    #expect(try LaunchVariables(environment: process.merging(daemon) { $1 })?.localRank == 1)
  }

  @Test func `a local rank that another launcher contradicts is an error`() {
    let script = [
      "RANK": "3", "WORLD_SIZE": "5", "LOCAL_RANK": "0", "MASTER_ADDR": "node03",
      "MASTER_PORT": "29500",
    ]
    #expect(
      failure(SlurmVariablesTests.step.merging(script) { $1 })
        == .disagreement("LOCAL_RANK=0", "SLURM_LOCALID=1"))
  }

  @Test func `a world of one that is given joins`() throws {
    let one = ["RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"]
    #expect(try LaunchVariables(environment: one)?.size == 1)
  }

  @Test func `an incomplete set is an error that names what is missing`() {
    let some = Self.torchrun.filter { !["MASTER_PORT", "LOCAL_RANK"].contains($0.key) }
    #expect(
      failure(some)
        == .incomplete(
          given: ["RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR"],
          missing: ["LOCAL_RANK", "MASTER_PORT"]))
    #expect(
      failure(["MASTER_ADDR": "node0"])?.description
        == "MASTER_ADDR is set, but RANK, WORLD_SIZE and MASTER_PORT are not: set them for every "
        + "process, or unset MASTER_ADDR to train in one process")
  }

  @Test(arguments: [
    ("RANK", "8", "an integer in 0...7 (WORLD_SIZE is 8)"),
    ("RANK", "-1", "an integer in 0...7 (WORLD_SIZE is 8)"),
    ("RANK", "one", "an integer in 0...7 (WORLD_SIZE is 8)"),
    ("WORLD_SIZE", "0", "an integer in 1...65536"),
    ("WORLD_SIZE", "9223372036854775807", "an integer in 1...65536"),
    ("LOCAL_RANK", "2", "an integer in 0...1 (LOCAL_WORLD_SIZE is 2)"),
    ("LOCAL_WORLD_SIZE", "9", "an integer in 1...8 (WORLD_SIZE is 8)"),
    ("MASTER_PORT", "65536", "an integer in 1...65535"),
    ("MASTER_PORT", "0", "an integer in 1...65535"),
    ("TORCHELASTIC_RESTART_COUNT", "-1", "an integer of at least 0"),
    ("TORCHELASTIC_USE_AGENT_STORE", "yes", "True or False"),
  ])
  func `a value out of range is an error with its name`(
    _ name: String, _ value: String, _ expected: String
  ) {
    let error = failure(Self.torchrun.merging([name: value]) { $1 })
    #expect(error == .invalid(name: name, value: value, expected: expected))
    #expect(error?.description.hasPrefix("\(name) is '\(value)' and must be \(expected)") == true)
  }

  @Test func `two launchers that disagree are an error that names both`() {
    let slurm = SlurmVariablesTests.step.merging(["SLURM_PROCID": "2"]) { $1 }
    let size = SlurmVariablesTests.step["SLURM_STEP_NUM_TASKS"]
    let given = Self.torchrun.merging(["RANK": "1", "WORLD_SIZE": size!]) { $1 }
    let error = failure(given.merging(slurm) { $1 })
    #expect(error == .disagreement("RANK=1", "SLURM_PROCID=2"))
    #expect(error?.description.contains("RANK=1, but SLURM_PROCID=2") == true)
    let openMPI = OpenMPIVariablesTests.process
    #expect(
      failure(Self.torchrun.merging(openMPI) { $1 })
        == .disagreement("RANK=3", "OMPI_COMM_WORLD_RANK=1"))
    #expect(
      failure(slurm.merging(openMPI) { $1 })
        == .disagreement("OMPI_COMM_WORLD_RANK=1", "SLURM_PROCID=2"))
    let alone = ["RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"]
    #expect(
      failure(alone.merging(SlurmVariablesTests.step) { $1 })
        == .disagreement("RANK=0", "SLURM_PROCID=3"))
  }

  @Test func `two launchers that agree are none`() throws {
    let step = SlurmVariablesTests.step
    let given = Self.torchrun.merging(["WORLD_SIZE": step["SLURM_STEP_NUM_TASKS"]!]) { $1 }
    let found = try LaunchVariables(environment: given.merging(step) { $1 })
    #expect(found?.host == "node0" && found?.rank == 3)
  }

  @Test(arguments: ["TORCHELASTIC_RUN_ID", "TEMPFLOW_LAUNCH"])
  func `a launcher started once a host by srun numbers the processes`(_ mark: String) throws {
    let marked = Self.torchrun.merging([mark: "1"]) { $1 }
    let found = try LaunchVariables(
      environment: marked.merging(SlurmVariablesTests.step) { $1 }
        .merging(["SLURM_PROCID": "1"]) { $1 })
    #expect(found?.rank == 3 && found?.size == 8)
  }

  @Test func `a shell that Slurm or mpirun started as the only process does not count`() throws {
    let shell = SlurmVariablesTests.step.merging([
      "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
    ]) { $1 }
    #expect(try LaunchVariables(environment: shell) == nil)
    #expect(try LaunchVariables(environment: shell.merging(["MASTER_ADDR": "a"]) { $1 }) == nil)
    #expect(try LaunchVariables(environment: shell.merging(Self.torchrun) { $1 })?.size == 8)
    var job = OpenMPIVariablesTests.process
    for name in ["SIZE", "LOCAL_SIZE"] { job["OMPI_COMM_WORLD_\(name)"] = "1" }
    for name in ["RANK", "LOCAL_RANK"] { job["OMPI_COMM_WORLD_\(name)"] = "0" }
    #expect(try LaunchVariables(environment: job) == nil)
  }

  @Test func `a launcher's environment is read as it was written`() throws {
    let place = LaunchVariables(
      rank: 3, size: 8, localRank: 1, localSize: 2, host: "node0", port: 29500, restartCount: 4,
      launch: "x7")
    let inherited = ["TORCHELASTIC_USE_AGENT_STORE": "True", "RANK": "0", "HOME": "/home"]
    let written = place.environment(over: inherited)
    #expect(try LaunchVariables(environment: written) == place)
    #expect(written["HOME"] == "/home")
    #expect(
      try LaunchVariables(environment: written.merging(SlurmVariablesTests.step) { $1 }) == place)
  }
}
