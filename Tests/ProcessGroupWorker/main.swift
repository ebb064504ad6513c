// A process for tests of what needs several: `collectives` and `sums TIME-OUT [RANK SECONDS]` join
// the processes that the environment names, `launch ... -- COMMAND` starts some.

import Foundation
import ProcessGroups
import Runs
import Torch

let arguments = CommandLine.arguments.dropFirst()
do {
  switch arguments.first {
  case "collectives": try printCollectives(try joined(timeout: .seconds(60)))
  case "sums":
    let group = try joined(timeout: .seconds(Double(arguments[2])!))
    do {
      let hasPause = arguments.count > 3
      try sum(
        in: group,
        pause: hasPause ? (rank: Int(arguments[3])!, seconds: Double(arguments[4])!) : nil)
    } catch let error as ProcessGroupError {
      report(error)
      group.letOthersLearn(error)
      exit(3)
    }
  case "launch": exit(try launch(Array(arguments.dropFirst())))
  default: fatalError("collectives, sums or launch")
  }
} catch let error as ProcessGroupError {
  report(error)
  exit(3)
} catch {
  print("failed: \(error)")
  exit(2)
}

func report(_ error: ProcessGroupError) {
  print("failed: \(error)")
  switch error {
  case .lost(let peers, _, _): print("lost ranks \(peers.map(\.rank))")
  case .late(let peers, _, _): print("late ranks \(peers.map(\.rank))")
  case .notJoined, .noNCCL, .storeLost: break
  }
  fflush(nil)
}

func joined(timeout: Duration) throws -> ProcessGroup {
  guard let variables = try LaunchVariables(environment: ProcessInfo.processInfo.environment)
  else { fatalError("no launcher's variables") }
  return try ProcessGroup(variables, timeout: timeout)
}
