/// What `tempflow launch` starts on one host, of a run in which every host has as many processes.
package struct LaunchHost {
  /// The processes of each host.
  package var processes: Int
  /// The hosts of the run.
  package var nodes: Int
  /// The number of this host.
  package var nodeRank: Int
  /// Host 0; nil for a single host.
  package var master: String?
  /// The port of the first attempt, which all hosts know; nil for a free one.
  package var port: Int?
  /// A name that no other launch has.
  package let launch = String(UInt64.random(in: 0 ... .max), radix: 36)

  package init(processes: Int, nodes: Int = 1, nodeRank: Int = 0, master: String?, port: Int?) {
    self.processes = processes
    self.nodes = nodes
    self.nodeRank = nodeRank
    self.master = master
    self.port = port
  }

  /// The ranks of this host.
  package var ranks: Range<Int> { (nodeRank * processes)..<((nodeRank + 1) * processes) }

  /// The place of one of the host's processes.
  ///
  /// Each attempt has a port of its own, so that processes of different attempts, on hosts that
  /// have not restarted yet, never meet.
  ///
  /// - Parameter freePort: a free port of this host, for a run whose port is not given.
  package func variables(rank: Int, restart: Int, freePort: Int) -> LaunchVariables {
    LaunchVariables(
      rank: rank, size: processes * nodes, localRank: rank - ranks.lowerBound,
      localSize: processes, host: master ?? "127.0.0.1",
      port: port.map { $0 + restart } ?? freePort, restartCount: restart,
      launch: launch)
  }
}
