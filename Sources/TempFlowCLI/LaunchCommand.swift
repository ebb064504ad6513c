import ArgumentParser
import Foundation
import ProcessGroups
import Runs

/// `tempflow launch`: starts the processes of a run.
struct LaunchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "launch",
    abstract: "Starts the processes of a training run on this host.",
    discussion: """
      Starts N processes of the command after `--` with RANK, WORLD_SIZE, LOCAL_RANK, \
      LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Their lines get the rank as a prefix, such as \
      [1]; rank 0's standard output is passed on as it is, and on a terminal its progress too. \
      SIGINT and SIGTERM reach every process once for each signal received; the end of the \
      terminal (SIGHUP) reaches them as SIGTERM. When one process fails, the others have --timeout \
      seconds to end, then get SIGTERM and 5 seconds later SIGKILL; the command ends with the \
      status of the first that failed (128 and the signal's number for a signal). When the command \
      itself is killed, its processes end too. Processes divide the cores of their host, unless \
      the recipe's key threads says otherwise.

      With several hosts, start the command on each of them, with the same -n, --nodes, --master \
      and --port and its own --node-rank; host 0 is the --master.

      With --max-restarts all processes are started again after a failure, and training goes on \
      from the last checkpoint; a stop by a signal is no failure. Restart K uses port --port + K, \
      so that processes of different attempts never meet. When processes on one host fail, those \
      of the other hosts lose them and fail too, so every launcher counts the same attempt; one \
      that is a restart ahead waits for the others as long as its processes wait to join. A host \
      whose launcher has ended is not started again by the others.

      Example: tempflow launch -n 2 -- train Recipes/shapes.yaml --run-dir runs/launched
      """)

  @Option(
    name: [.customShort("n"), .customLong("processes")], help: "Processes to start on this host.")
  var processes: Int

  @Option(name: .long, help: "Hosts of the run.")
  var nodes = 1

  @Option(name: .long, help: "The number of this host, from 0.")
  var nodeRank: Int?

  @Option(name: .long, help: "Name or address of host 0, which every host reaches.")
  var master: String?

  @Option(
    name: .long,
    help: "Port on host 0 where the processes meet (default for one host: a free one).")
  var port: Int?

  @Option(name: .long, help: "Restarts after failures, at most.")
  var maxRestarts = 0

  @Option(
    name: .long, help: "Seconds that the other processes may go on after one has failed.")
  var timeout = 60.0

  @Argument(
    parsing: .postTerminator, help: "After `--`: the command of every process, train RECIPE ...")
  var command: [String] = []

  func validate() throws {
    if !(1...4096).contains(processes) { throw ValidationError("-n must be in 1 ... 4096") }
    let mostNodes = LaunchVariables.mostProcesses / processes
    if !(1...mostNodes).contains(nodes) {
      throw ValidationError("--nodes must be in 1 ... \(mostNodes) (-n is \(processes))")
    }
    if !(0...1e6).contains(timeout) { throw ValidationError("--timeout must be in 0 ... 1e6") }
    if maxRestarts < 0 { throw ValidationError("--max-restarts must be at least 0") }
    if nodes == 1, master != nil {
      throw ValidationError("--master is for several hosts; give --nodes too")
    }
    if nodes > 1 {
      if nodeRank == nil { throw ValidationError("--nodes needs --node-rank, this host's number") }
      if master == nil { throw ValidationError("--nodes needs --master, the host with number 0") }
      if port == nil { throw ValidationError("--nodes needs --port, the same on every host") }
    }
    if let nodeRank, !(0..<nodes).contains(nodeRank) {
      throw ValidationError("--node-rank must be in 0 ... \(nodes - 1) (--nodes is \(nodes))")
    }
    if let port, !(1...65535).contains(port) || maxRestarts > 65535 - port {
      throw ValidationError(
        "--port must be in 1 ... 65535, also with the number of a restart added to it")
    }
    switch command.first {
    case "train": break
    case nil: throw ValidationError("nothing to start: give -- train RECIPE ...")
    case .some(let other):
      throw ValidationError("'\(other)' runs in one process; only train is launched in several")
    }
  }

  func run() throws {
    // What is wrong with the command or its recipe is said once, before any process is started, and
    // is no failure that a restart would mend.
    do {
      _ = try TrainCommand.parse(Array(command.dropFirst())).recipe.read()
    } catch {
      TrainCommand.exit(withError: error)
    }
    let inherited = ProcessInfo.processInfo.environment
    let host = LaunchHost(
      processes: processes, nodes: nodes, nodeRank: nodeRank ?? 0, master: master, port: port)
    let launcher = Launcher(
      [try Self.executable()] + command, ranks: host.ranks, timeout: .seconds(timeout),
      maxRestarts: maxRestarts, inherited: inherited
    ) { restart throws(LaunchError) in
      let free = try FreePort.choose()
      return host.ranks.map {
        host.variables(rank: $0, restart: restart, freePort: free).environment(over: inherited)
      }
    }
    let status = try launcher.run()
    if status != 0 { throw ExitCode(status) }
  }

  /// The path of this program.
  private static func executable() throws -> String {
    #if os(Linux)
      try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    #else
      URL(filePath: CommandLine.arguments[0]).standardizedFileURL.path
    #endif
  }
}
