/// A process's place among the processes of a run, as its launcher states it.
package struct LaunchVariables: Equatable, Sendable {
  /// The number of the process, 0..<`size`.
  package var rank: Int
  /// The processes of the run.
  package var size: Int
  /// The number of the process among those of its host, 0..<`localSize`.
  package var localRank: Int
  /// The processes of this host.
  package var localSize: Int
  /// The host and port of the store through which the processes meet.
  package var host: String
  package var port: Int
  /// Whether the launcher runs the store; else rank 0 does.
  package var launcherHasStore: Bool
  /// How often the launcher has started the processes again, from 0.
  package var restartCount: Int

  package init(
    rank: Int, size: Int, localRank: Int, localSize: Int, host: String, port: Int,
    launcherHasStore: Bool = false, restartCount: Int = 0
  ) {
    self.rank = rank
    self.size = size
    self.localRank = localRank
    self.localSize = localSize
    self.host = host
    self.port = port
    self.launcherHasStore = launcherHasStore
    self.restartCount = restartCount
  }
}
