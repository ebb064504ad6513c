/// Why the variables of a process do not say which of the run's processes it is.
package enum LaunchVariablesError: Error, Equatable, Sendable {
  /// A launcher sets all of its variables: `given` are set, and `missing` are not.
  case incomplete(given: [String], missing: [String])
  /// A value is not what its variable needs, such as `an integer in 0...3 (WORLD_SIZE is 4)`.
  case invalid(name: String, value: String, expected: String)
  /// Two launchers number the processes differently, such as `RANK=1` and `SLURM_PROCID=2`.
  case disagreement(String, String)
  /// The launcher does not say where rank 0 is. `example` sets the variable.
  case unknownHost(launcher: String, example: String)
  /// The launcher has no number from which all processes could derive a port.
  case unknownPort(launcher: String, example: String)
}

extension LaunchVariablesError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .incomplete(let given, let missing):
      "\(Self.list(given)) \(given.count == 1 ? "is" : "are") set, but "
        + "\(Self.list(missing)) \(missing.count == 1 ? "is" : "are") not: set "
        + "\(missing.count == 1 ? "it" : "them") for every process, or unset "
        + "\(Self.list(given)) to train in one process"
    case .invalid(let name, let value, let expected):
      "\(name) is '\(value)' and must be \(expected): correct it where the processes are started, "
        + "or unset the launcher's variables to train in one process"
    case .disagreement(let one, let other):
      "\(one), but \(other): two launchers number this run's processes differently. Unset the "
        + "variables of the launcher that did not start this process "
        + "(unset \(Self.name(one)), or unset \(Self.name(other)))"
    case .unknownHost(let launcher, let example):
      "\(launcher) started the processes on several hosts, and MASTER_ADDR is not set: set it to "
        + "the host of rank 0 for all of them, such as \(example)"
    case .unknownPort(let launcher, let example):
      "\(launcher) gives its processes no common number from which to derive a port, and "
        + "MASTER_PORT is not set: set a free port for all of them, such as \(example)"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.count < 2
      ? names.joined() : names.dropLast().joined(separator: ", ") + " and " + names[names.count - 1]
  }

  private static func name(_ assignment: String) -> Substring {
    assignment.prefix { $0 != "=" }
  }
}
