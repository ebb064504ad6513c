/// What OpenMPI's `mpirun` says to each process.
struct OpenMPIJob {
  let numbering: Numbering
  let localRank: Int
  let localSize: Int

  private static let rank = "OMPI_COMM_WORLD_RANK"
  private static let size = "OMPI_COMM_WORLD_SIZE"
  private static let localRank = "OMPI_COMM_WORLD_LOCAL_RANK"
  private static let localSize = "OMPI_COMM_WORLD_LOCAL_SIZE"

  /// - Returns: nil without mpirun.
  init?(_ values: EnvironmentValues) throws(LaunchVariablesError) {
    guard try values.has(all: [Self.rank, Self.size, Self.localRank, Self.localSize]) else {
      return nil
    }
    let size = try values.count(Self.size)
    localSize = try values.integer(
      Self.localSize, in: 1...size, reason: "\(Self.size) is \(size)")
    localRank = try values.index(Self.localRank, below: localSize, Self.localSize)
    numbering = Numbering(
      rank: .init(name: Self.rank, value: try values.index(Self.rank, below: size, Self.size)),
      size: .init(name: Self.size, value: size),
      localRank: .init(name: Self.localRank, value: localRank))
  }

  func variables(_ values: EnvironmentValues) throws(LaunchVariablesError) -> LaunchVariables {
    LaunchVariables(
      rank: numbering.rank.value, size: numbering.size.value, localRank: localRank,
      localSize: localSize, host: try host(values), port: try port(values))
  }

  /// MASTER_ADDR, or this host if it has all processes.
  private func host(_ values: EnvironmentValues) throws(LaunchVariablesError) -> String {
    if let host = values[LaunchVariables.Name.host] { return host }
    guard localSize == numbering.size.value else {
      throw .unknownHost(launcher: "mpirun", example: "mpirun -x MASTER_ADDR=node1")
    }
    return "127.0.0.1"
  }

  /// MASTER_PORT, or a port derived from the number (OpenMPI 4) or the name (5) of the job.
  private func port(_ values: EnvironmentValues) throws(LaunchVariablesError) -> Int {
    if values[LaunchVariables.Name.port] != nil { return try LaunchVariables.port(values) }
    guard let name = values.first(of: ["OMPI_MCA_ess_base_jobid", "PMIX_NAMESPACE"]),
      let job = values[name]
    else {
      throw .unknownPort(launcher: "mpirun", example: "mpirun -x MASTER_PORT=29500")
    }
    return DerivedPort.of(job)
  }
}
