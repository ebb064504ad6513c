// A process for tests of what needs several: `collectives` and `sums SECONDS` join the processes
// that the environment names, `launch ... -- COMMAND` starts some.

import Foundation
import ProcessGroups
import Runs
import Torch

let arguments = CommandLine.arguments.dropFirst()
do {
  switch arguments.first {
  case "collectives": try printCollectives(try joined(timeout: .seconds(60)))
  case "sums": try sum(in: try joined(timeout: .seconds(Double(arguments[2])!)))
  case "launch": exit(try launch(Array(arguments.dropFirst())))
  default: fatalError("collectives, sums or launch")
  }
} catch let error as ProcessGroupError {
  print("failed: \(error)")
  if case .lost(let peers, _, _) = error { print("lost ranks \(peers.map(\.rank))") }
  exit(3)
} catch {
  print("failed: \(error)")
  exit(2)
}

func joined(timeout: Duration) throws -> ProcessGroup {
  guard let variables = try LaunchVariables(environment: ProcessInfo.processInfo.environment)
  else { fatalError("no launcher's variables") }
  return try ProcessGroup(variables, timeout: timeout)
}
