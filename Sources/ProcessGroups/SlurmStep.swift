/// What `srun` says to each process (task) of a job step.
///
/// A batch script and the shell of an allocation have some of the same variables (SLURM_NTASKS, and
/// SLURM_PROCID=0 in a batch script). Only a step has SLURM_STEP_ID, and that of the shell which
/// `salloc` starts on a node is a reserved number. A batch script that was submitted within a step
/// has inherited that step's variables, but SLURM_GTIDS lists its own task alone.
struct SlurmStep {
  let numbering: Numbering
  let localRank: Int
  private let id: Int
  /// The hosts of the step; nil if Slurm does not say.
  private let nodes: Int?

  /// The smallest of the numbers that Slurm keeps for steps of its own: SLURM_MAX_NORMAL_STEP_ID.
  private static let reservedSteps = 0xFFFF_FFF0

  private static let id = "SLURM_STEP_ID"
  private static let rank = "SLURM_PROCID"
  private static let localRank = "SLURM_LOCALID"

  /// - Returns: nil outside a step.
  init?(_ values: EnvironmentValues) throws(LaunchVariablesError) {
    guard values[Self.id] != nil else { return nil }
    id = try values.integer(Self.id, in: 0...Int(UInt32.max))
    guard id < Self.reservedSteps else { return nil }
    // SLURM_NTASKS is the step's too, unless a program between has replaced it.
    let sizeName = values.first(of: ["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"]) ?? "SLURM_NTASKS"
    guard try values.has(all: [Self.id, Self.rank, Self.localRank, sizeName]) else { return nil }
    let size = try values.count(sizeName)
    let rank = try values.index(Self.rank, below: size, sizeName)
    localRank = try values.index(Self.localRank, below: size, sizeName)
    numbering = Numbering(
      rank: .init(name: Self.rank, value: rank), size: .init(name: sizeName, value: size),
      localRank: .init(name: Self.localRank, value: localRank))
    let nodesName = values.first(of: ["SLURM_STEP_NUM_NODES", "SLURM_NNODES"])
    if let nodesName { nodes = try values.count(nodesName) } else { nodes = nil }
    // A number of tasks that is not to be found is an error only where it is needed.
    if values["SLURM_GTIDS"] == "0", (try? localSize(values)) ?? 1 > 1 { return nil }
  }

  var isOneTaskPerNode: Bool { nodes == numbering.size.value }

  func variables(_ values: EnvironmentValues) throws(LaunchVariablesError) -> LaunchVariables {
    LaunchVariables(
      rank: numbering.rank.value, size: numbering.size.value, localRank: localRank,
      localSize: try localSize(values), host: try host(values), port: try port(values))
  }

  /// MASTER_ADDR, this host if it is the only one, or the first host of the step: rank 0's with
  /// every distribution of tasks but `arbitrary`.
  private func host(_ values: EnvironmentValues) throws(LaunchVariablesError) -> String {
    if let host = values[LaunchVariables.Name.host] { return host }
    if nodes == 1 { return "127.0.0.1" }
    let name = "SLURM_STEP_NODELIST"
    guard let list = values[name] else {
      throw .unknownHost(launcher: "srun", example: "export MASTER_ADDR=node1")
    }
    guard let first = Self.firstHost(of: list) else {
      throw .invalid(
        name: name, value: list, expected: "a list of hosts such as node[03-07,9],gpu1")
    }
    return first
  }

  /// MASTER_PORT, or a port derived from the numbers of the job and the step.
  private func port(_ values: EnvironmentValues) throws(LaunchVariablesError) -> Int {
    if values[LaunchVariables.Name.port] != nil { return try LaunchVariables.port(values) }
    guard let name = values.first(of: ["SLURM_JOB_ID", "SLURM_JOBID"]) else {
      throw .unknownPort(launcher: "srun", example: "export MASTER_PORT=29500")
    }
    return DerivedPort.of(job: try values.integer(name, in: 0...Int(UInt32.max)), step: id)
  }

  /// The tasks of this host: SLURM_STEP_TASKS_PER_NODE at SLURM_NODEID, else all of them on a
  /// single host, else SLURM_NTASKS_PER_NODE, which every host has at most.
  func localSize(_ values: EnvironmentValues) throws(LaunchVariablesError) -> Int {
    let (perNode, node, most) = (
      "SLURM_STEP_TASKS_PER_NODE", "SLURM_NODEID", "SLURM_NTASKS_PER_NODE"
    )
    var found: (count: Int, name: String)
    if let text = values[perNode], values[node] != nil {
      guard let counts = Self.tasksPerNode(text) else {
        throw .invalid(name: perNode, value: text, expected: "counts such as 2(x3),1")
      }
      let index = try values.index(node, below: counts.count, "hosts in \(perNode)")
      found = (counts[index], perNode)
    } else if nodes == 1 {
      found = (numbering.size.value, numbering.size.name)
    } else if values[most] != nil {
      found = (min(try values.count(most), numbering.size.value), most)
    } else {
      throw .incomplete(given: [Self.rank], missing: [perNode, node])
    }
    guard localRank < found.count else {
      throw .invalid(
        name: Self.localRank, value: "\(localRank)",
        expected: "below the tasks of this host (\(found.name) gives \(found.count))")
    }
    return found.count
  }

  /// Tasks of each host: `2(x3),1` is 2, 2, 2, 1. Nil if it is no such list.
  static func tasksPerNode(_ text: String) -> [Int]? {
    var counts: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let match = part.wholeMatch(of: /([0-9]+)(?:\(x([0-9]+)\))?/),
        let count = Int(match.1), count > 0, let times = Int(match.2 ?? "1"), times > 0,
        times <= 1 << 20
      else { return nil }
      counts += Array(repeating: count, count: times)
    }
    return counts.isEmpty ? nil : counts
  }

  /// The first of a list of hosts: `node[03-07,9],gpu1` begins with `node03`. Nil if it is no such
  /// list.
  static func firstHost(of list: String) -> String? {
    var host = ""
    var rest = list[...]
    while let next = rest.first, next != "," {
      rest.removeFirst()
      guard next == "[" else {
        host.append(next)
        continue
      }
      guard let end = rest.firstIndex(of: "]"), let number = rest[..<end].prefixMatch(of: /[0-9]+/)
      else { return nil }
      host += number.0
      rest = rest[end...].dropFirst()
    }
    return host.isEmpty || host.contains("]") ? nil : host
  }
}
