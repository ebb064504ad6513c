/// A process's place among the processes of a run, as its launcher states it.
package struct LaunchVariables: Equatable, Sendable {
  /// The most processes of a run, and the most hosts.
  package static let mostProcesses = 65_536

  /// The number of the process, 0..<`size`.
  package var rank: Int
  /// The processes of the run.
  package var size: Int
  /// The number of the process among those of its host, 0..<`localSize`.
  package var localRank: Int
  /// The processes of this host; nil where no launcher says.
  package var localSize: Int?
  /// The host and port of the store through which the processes meet.
  package var host: String
  package var port: Int
  /// Whether the launcher runs the store; else rank 0 does.
  package var launcherHasStore: Bool
  /// How often the launcher has started the processes again, from 0.
  package var restartCount: Int
  /// What all processes that one start of the launcher starts have in common, those that it starts
  /// again included, and no others; nil where the launcher starts none again.
  package var launch: String?

  package init(
    rank: Int, size: Int, localRank: Int, localSize: Int?, host: String, port: Int,
    launcherHasStore: Bool = false, restartCount: Int = 0, launch: String? = nil
  ) {
    self.rank = rank
    self.size = size
    self.localRank = localRank
    self.localSize = localSize
    self.host = host
    self.port = port
    self.launcherHasStore = launcherHasStore
    self.restartCount = restartCount
    self.launch = launch
  }

  /// Whether processes of the run may be on other hosts.
  package var mayHaveOtherHosts: Bool { localSize.map { $0 < size } ?? true }

  /// The names of torch.distributed's variables, and of `tempflow launch`'s own.
  enum Name {
    static let rank = "RANK"
    static let size = "WORLD_SIZE"
    static let localRank = "LOCAL_RANK"
    static let localSize = "LOCAL_WORLD_SIZE"
    static let host = "MASTER_ADDR"
    static let port = "MASTER_PORT"
    static let launcherHasStore = "TORCHELASTIC_USE_AGENT_STORE"
    static let restartCount = "TORCHELASTIC_RESTART_COUNT"
    /// Set by torchrun, whatever else the environment holds.
    static let torchrun = "TORCHELASTIC_RUN_ID"
    /// Set by `tempflow launch` to its ``LaunchVariables/launch``.
    static let tempflow = "TEMPFLOW_LAUNCH"
  }

  /// The environment of this process, made from that of its launcher.
  package func environment(over inherited: [String: String]) -> [String: String] {
    var environment = inherited
    environment[Name.torchrun] = nil
    environment[Name.launcherHasStore] = launcherHasStore ? "True" : nil
    let values = [
      Name.rank: "\(rank)", Name.size: "\(size)", Name.localRank: "\(localRank)",
      Name.host: host, Name.port: "\(port)", Name.restartCount: "\(restartCount)",
      Name.tempflow: launch ?? "1",
    ]
    environment[Name.localSize] = localSize.map { "\($0)" }
    return environment.merging(values) { $1 }
  }
}
