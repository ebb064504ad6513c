#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension LaunchVariables {
  /// The place that the launcher has written into this process's environment; nil for a process
  /// alone.
  ///
  /// - torch.distributed's variables come first (`tempflow launch`, torchrun, Kubernetes'
  ///   PyTorchJob). A WORLD_SIZE of 1 is a world of one, which joins as the others do. Without
  ///   LOCAL_RANK and LOCAL_WORLD_SIZE the numbers on the host are those of srun or mpirun, which
  ///   may have started a script that sets the others; where there are none, as in a PyTorchJob,
  ///   the process is alone on its host.
  /// - Then OpenMPI's (`mpirun`, which starts its daemons as a Slurm step), then those of a Slurm
  ///   step (`srun`). Both also hold in a shell that has been started for interactive work, so one
  ///   process is alone there.
  /// - Variables of several launchers must agree, except that torchrun and `tempflow launch` mark
  ///   their processes: started once a host by srun or mpirun, they number the processes.
  ///
  /// - Throws: what is missing, out of its range or in conflict.
  package init?(environment: [String: String]) throws(LaunchVariablesError) {
    let values = EnvironmentValues(environment)
    if values.first(of: [Name.torchrun, Name.tempflow]) != nil, let own = try Self.standard(values)
    {
      self = own.variables
      return
    }
    let slurm = try SlurmStep(values)
    let openMPI = try OpenMPIJob(values)
    let job = openMPI.flatMap { $0.numbering.size.value > 1 ? $0 : nil }
    // Between hosts mpirun starts its own daemons through srun, one a host, and the processes
    // inherit the daemon's variables.
    let step = slurm.flatMap {
      $0.numbering.size.value > 1 && !(job != nil && $0.isOneTaskPerNode) ? $0 : nil
    }
    if slurm == nil && openMPI == nil || values.first(of: Self.numbers) != nil {
      guard let given = try Self.standard(values) else { return nil }
      try given.numbering.check(against: job?.numbering)
      try given.numbering.check(against: step?.numbering)
      self = given.variables
      guard values[Name.localSize] == nil, let other = job?.localRank ?? step?.localRank else {
        return
      }
      localRank = other
      localSize = job?.localSize
      guard let step, job == nil else { return }
      do throws(LaunchVariablesError) {
        localSize = try step.localSize(values)
      } catch .incomplete {
        // It is the number of the processes with this host's name.
      }
    } else if let job {
      try job.numbering.check(against: step?.numbering)
      self = try job.variables(values)
    } else if let step {
      self = try step.variables(values)
    } else {
      return nil
    }
  }

  /// The variables that say which process this is.
  private static let numbers = [Name.rank, Name.size, Name.localRank, Name.localSize]

  private static func standard(
    _ values: EnvironmentValues
  ) throws(LaunchVariablesError) -> (variables: LaunchVariables, numbering: Numbering)? {
    let hasSize = values[Name.localSize] != nil
    let hasLocal = hasSize || values[Name.localRank] != nil
    var names = [Name.rank, Name.size]
    if hasLocal { names.append(Name.localRank) }
    if hasSize { names.append(Name.localSize) }
    names += [Name.host, Name.port]
    guard try values.has(all: names) else { return nil }
    let size = try values.count(Name.size)
    let rank = try values.index(Name.rank, below: size, Name.size)
    var localSize: Int?
    var localRank: Int?
    if hasSize {
      localSize = try values.integer(
        Name.localSize, in: 1...size, reason: "\(Name.size) is \(size)")
    }
    if hasLocal {
      localRank = try values.index(
        Name.localRank, below: localSize ?? size, hasSize ? Name.localSize : Name.size)
    }
    let variables = LaunchVariables(
      rank: rank, size: size, localRank: localRank ?? 0, localSize: hasLocal ? localSize : 1,
      host: values[Name.host] ?? "", port: try port(values),
      launcherHasStore: try flag(Name.launcherHasStore, values),
      restartCount: values[Name.restartCount] == nil
        ? 0 : try values.integer(Name.restartCount, in: 0...Int.max),
      launch: launch(values))
    let numbering = Numbering(
      rank: .init(name: Name.rank, value: rank), size: .init(name: Name.size, value: size),
      // One that is told to be alone on its host, with its own GPU, may be there with others.
      localRank: localSize == 1
        ? nil : localRank.map { .init(name: Name.localRank, value: $0) })
    return (variables, numbering)
  }

  /// The launch of `tempflow launch`, or torchrun's run. Without `--rdzv-id` all runs of torchrun
  /// are called "none"; its own process, which starts these, then stands for the run.
  private static func launch(_ values: EnvironmentValues) -> String? {
    if let own = values[Name.tempflow] { return own }
    guard let run = values[Name.torchrun] else { return nil }
    return run == "none" ? "torchrun \(getppid())" : "torchrun \(run)"
  }

  /// The given port, whose variable is set.
  static func port(_ values: EnvironmentValues) throws(LaunchVariablesError) -> Int {
    try values.integer(Name.port, in: 1...65535)
  }

  private static func flag(
    _ name: String, _ values: EnvironmentValues
  ) throws(LaunchVariablesError) -> Bool {
    switch values[name] {
    case "True": true
    case nil, "False": false
    case .some(let text): throw .invalid(name: name, value: text, expected: "True or False")
    }
  }
}
