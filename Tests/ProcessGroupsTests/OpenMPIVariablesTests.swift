import ProcessGroups
import Testing

@Suite struct OpenMPIVariablesTests {
  /// Process 1 of 4, all on one host.
  static let process = [
    "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_MCA_ess_base_jobid": "a",
  ]

  private func place(_ changes: [String: String?]) throws -> LaunchVariables? {
    var environment = Self.process
    for (name, value) in changes { environment[name] = value }
    return try LaunchVariables(environment: environment)
  }

  private func failure(_ changes: [String: String?]) -> LaunchVariablesError? {
    do { _ = try place(changes) } catch { return error as? LaunchVariablesError }
    return nil
  }

  @Test func `processes of one host meet there`() throws {
    // FNV-1a of "a" is 0xE40C292C (the hash's published test), which leaves 5228.
    let port = 12000 + Int(0xE40C_292C as UInt32) % 20000
    #expect(
      try place([:])
        == LaunchVariables(
          rank: 1, size: 4, localRank: 1, localSize: 4, host: "127.0.0.1", port: port))
    let renamed = ["OMPI_MCA_ess_base_jobid": nil, "PMIX_NAMESPACE": "a"]
    #expect(try place(renamed)?.port == port)
  }

  @Test func `on several hosts MASTER_ADDR is needed`() throws {
    let two = ["OMPI_COMM_WORLD_LOCAL_SIZE": "2"]
    #expect(
      failure(two)?.description
        == "mpirun started the processes on several hosts, and MASTER_ADDR is not set: set it to "
        + "the host of rank 0 for all of them, such as mpirun -x MASTER_ADDR=node1")
    let found = try place(two.merging(["MASTER_ADDR": "node1", "MASTER_PORT": "9"]) { $1 })
    #expect(found?.host == "node1" && found?.port == 9 && found?.localSize == 2)
  }

  @Test func `a job without a number needs MASTER_PORT`() {
    #expect(
      failure(["OMPI_MCA_ess_base_jobid": nil])
        == .unknownPort(launcher: "mpirun", example: "mpirun -x MASTER_PORT=29500"))
  }

  @Test func `what mpirun's process lacks or has out of range is an error`() {
    #expect(
      failure(["OMPI_COMM_WORLD_RANK": nil])
        == .incomplete(
          given: [
            "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE",
          ], missing: ["OMPI_COMM_WORLD_RANK"]))
    #expect(
      failure(["OMPI_COMM_WORLD_LOCAL_RANK": "4"])
        == .invalid(
          name: "OMPI_COMM_WORLD_LOCAL_RANK", value: "4",
          expected: "an integer in 0...3 (OMPI_COMM_WORLD_LOCAL_SIZE is 4)"))
  }

  @Test func `the step of mpirun's daemons does not number the processes`() throws {
    // mpirun starts one daemon on each further host through srun; here daemon 0 of 2.
    let daemon: [String: String?] = [
      "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "2",
      "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2", "SLURM_NODEID": "0",
    ]
    #expect(try place(daemon)?.rank == 1)
    #expect(try place(daemon)?.size == 4)
  }
}
