import Foundation
import ProcessGroups
import Runs

/// Runs a launcher as `tempflow launch` does, with any command.
///
/// - Parameter arguments: processes, nodes, node rank, port (0: a free one), seconds to end after a
///   failure, restarts, seconds from SIGTERM to SIGKILL, `--`, and the command.
/// - Returns: the exit status.
func launch(_ arguments: [String]) throws -> Int32 {
  let numbers = arguments.prefix { $0 != "--" }.compactMap { Int($0) }
  guard numbers.count == 7 else { fatalError("seven numbers") }
  let inherited = ProcessInfo.processInfo.environment
  let host = LaunchHost(
    processes: numbers[0], nodes: numbers[1], nodeRank: numbers[2],
    master: numbers[1] > 1 ? "127.0.0.1" : nil, port: numbers[3] == 0 ? nil : numbers[3])
  let launcher = Launcher(
    Array(arguments.drop { $0 != "--" }.dropFirst()), ranks: host.ranks,
    timeout: .seconds(numbers[4]), maxRestarts: numbers[5], grace: numbers[6], inherited: inherited
  ) { restart throws(LaunchError) in
    let free = try FreePort.choose()
    return host.ranks.map {
      host.variables(rank: $0, restart: restart, freePort: free).environment(over: inherited)
    }
  }
  return try launcher.run()
}
