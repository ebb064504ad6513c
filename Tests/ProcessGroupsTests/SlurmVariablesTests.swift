import ProcessGroups
import Testing

@Suite struct SlurmVariablesTests {
  /// Task 3 of 5, which is the second of the second host.
  static let step = [
    "SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "2", "SLURM_PROCID": "3", "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1", "SLURM_NTASKS": "5", "SLURM_STEP_NUM_TASKS": "5", "SLURM_NNODES": "3",
    "SLURM_STEP_NUM_NODES": "3", "SLURM_STEP_NODELIST": "node[03-04],gpu1",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
  ]

  private func place(_ changes: [String: String?]) throws -> LaunchVariables? {
    var environment = Self.step
    for (name, value) in changes { environment[name] = value }
    return try LaunchVariables(environment: environment)
  }

  private func failure(_ changes: [String: String?]) -> LaunchVariablesError? {
    do { _ = try place(changes) } catch { return error as? LaunchVariablesError }
    return nil
  }

  @Test func `a step's task meets the others on the step's first host`() throws {
    // 12000 + (61 * 4711 + 2) % 20000
    #expect(
      try place([:])
        == LaunchVariables(
          rank: 3, size: 5, localRank: 1, localSize: 2, host: "node03", port: 19373))
    #expect(try place(["SLURM_STEP_ID": "3"])?.port == 19374)
    let given = try place(["MASTER_ADDR": "login", "MASTER_PORT": "7"])
    #expect(given?.host == "login" && given?.port == 7)
    #expect(try place(["SLURM_STEP_NUM_TASKS": nil])?.size == 5)
  }

  @Test(arguments: [
    ("node[03-07,9],gpu1", "node03"), ("gpu1,node[1-2]", "gpu1"),
    ("a-b.example.org", "a-b.example.org"),
    ("rack[2,5]node[10-11]", "rack2node10"), ("n[007]-ib", "n007-ib"),
  ])
  func `the first host of a list`(_ list: String, _ host: String) throws {
    #expect(try place(["SLURM_STEP_NODELIST": list])?.host == host)
  }

  @Test(arguments: ["node[3", "node[]", ",node1", "node]3", "node[a-b]"])
  func `a list of hosts that is none is an error`(_ list: String) {
    #expect(
      failure(["SLURM_STEP_NODELIST": list])
        == .invalid(
          name: "SLURM_STEP_NODELIST", value: list,
          expected: "a list of hosts such as node[03-07,9],gpu1"))
  }

  @Test func `a step on one host needs no list`() throws {
    let one = try place([
      "SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NODELIST": nil, "SLURM_STEP_TASKS_PER_NODE": nil,
    ])
    #expect(one?.host == "127.0.0.1" && one?.localSize == 5)
    #expect(
      failure(["SLURM_STEP_NODELIST": nil])?.description
        == "srun started the processes on several hosts, and MASTER_ADDR is not set: set it to the "
        + "host of rank 0 for all of them, such as export MASTER_ADDR=node1")
  }

  @Test func `the tasks of a host are those of its place in the step`() throws {
    #expect(try place(["SLURM_STEP_TASKS_PER_NODE": "1,4(x2)"])?.localSize == 4)
    #expect(
      try place(["SLURM_STEP_TASKS_PER_NODE": nil, "SLURM_NTASKS_PER_NODE": "3"])?.localSize == 3)
    #expect(
      failure(["SLURM_STEP_TASKS_PER_NODE": nil])
        == .incomplete(
          given: ["SLURM_PROCID"], missing: ["SLURM_STEP_TASKS_PER_NODE", "SLURM_NODEID"]))
    #expect(
      failure(["SLURM_LOCALID": "2"])
        == .invalid(
          name: "SLURM_LOCALID", value: "2",
          expected: "below the tasks of this host (SLURM_STEP_TASKS_PER_NODE gives 2)"))
    for text in ["2(x", "2(x0)", "x", "2,,1", "0"] {
      #expect(
        failure(["SLURM_STEP_TASKS_PER_NODE": text])
          == .invalid(
            name: "SLURM_STEP_TASKS_PER_NODE", value: text, expected: "counts such as 2(x3),1"))
    }
  }

  @Test func `a batch script and an allocation's shell are processes alone`() throws {
    // A batch script has SLURM_PROCID=0 and no step; salloc's shell has a reserved step.
    #expect(try place(["SLURM_STEP_ID": nil]) == nil)
    #expect(try place(["SLURM_STEP_ID": "4294967290"]) == nil)
    #expect(try LaunchVariables(environment: ["SLURM_JOB_ID": "1", "SLURM_NTASKS": "8"]) == nil)
  }

  @Test func `a batch script that was submitted within a step is a process alone`() throws {
    // As Slurm 22.05 sets them in the script, whose own task is the first of this host.
    let step = [
      "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
      "SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1",
      "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_JOB_ID": "5",
    ]
    let script = step.merging(["SLURM_GTIDS": "0"]) { $1 }
    #expect(try LaunchVariables(environment: script) == nil)
    let task = step.merging(["SLURM_GTIDS": "0,1"]) { $1 }
    #expect(try LaunchVariables(environment: task)?.size == 2)
    let oneOfTwoHosts = [
      "SLURM_GTIDS": "0", "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
      "SLURM_STEP_NODELIST": "node[1-2]",
    ]
    #expect(try LaunchVariables(environment: step.merging(oneOfTwoHosts) { $1 })?.size == 2)
  }

  @Test func `what a step lacks or has out of range is an error`() {
    #expect(
      failure(["SLURM_LOCALID": nil])
        == .incomplete(
          given: ["SLURM_STEP_ID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
          missing: ["SLURM_LOCALID"]))
    #expect(
      failure(["SLURM_PROCID": "5"])
        == .invalid(
          name: "SLURM_PROCID", value: "5",
          expected: "an integer in 0...4 (SLURM_STEP_NUM_TASKS is 5)"))
    #expect(
      failure(["SLURM_JOB_ID": nil])
        == .unknownPort(launcher: "srun", example: "export MASTER_PORT=29500"))
    #expect(
      failure(["MASTER_PORT": "x"])
        == .invalid(name: "MASTER_PORT", value: "x", expected: "an integer in 1...65535"))
  }
}
