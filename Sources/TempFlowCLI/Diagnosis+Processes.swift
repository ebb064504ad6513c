import Foundation
import ProcessGroups
import Torch

// What several processes need: launch variables, an address that all reach, network interfaces,
// NCCL.

extension Diagnosis {
  /// The launch variables of this process, nil alone, and the finding on them.
  static func processes(
    _ environment: [String: String]
  ) -> (finding: Finding, variables: LaunchVariables?) {
    let variables: LaunchVariables?
    do throws(LaunchVariablesError) {
      variables = try LaunchVariables(environment: environment)
    } catch {
      return (Finding(subject: "processes", level: .failure, detail: error.description), nil)
    }
    guard let variables else {
      return (Finding(subject: "processes", level: .good, detail: "1, without a launcher"), nil)
    }
    var finding = Finding(
      subject: "processes", level: .good,
      detail: "rank \(variables.rank) of \(variables.size), on this host "
        + "\(variables.localRank)\(variables.localSize.map { " of \($0)" } ?? ""), by "
        + launcher(environment))
    let devices = TorchRuntime.cudaDeviceCount
    if devices > 0 && variables.localSize ?? variables.localRank + 1 > devices {
      finding.level = .warning
      finding.detail +=
        "; for 'device: cuda' each process needs a GPU, and this host has \(devices)"
    }
    return (finding, variables)
  }

  /// Who numbered the processes.
  private static func launcher(_ environment: [String: String]) -> String {
    [
      ("TEMPFLOW_LAUNCH", "tempflow launch"), ("TORCHELASTIC_RUN_ID", "torchrun"),
      ("RANK", "RANK and WORLD_SIZE"), ("OMPI_COMM_WORLD_RANK", "mpirun"),
    ].first { value($0.0, environment) != nil }?.1 ?? "srun"
  }

  /// The address where processes meet, of `--address` or of the launch variables; nil without one.
  static func address(
    _ given: StoreAddress?, _ variables: LaunchVariables?
  ) -> (finding: Finding, check: StoreAddress.Check)? {
    guard
      let address = given
        ?? variables.map({ StoreAddress(host: $0.host, port: $0.port) })
    else { return nil }
    // Rank 0 alone listens for a moment, as in a run: its host's other processes check beside it.
    let variables = given == nil ? variables : nil
    let check = address.check(timeout: .seconds(3), listens: variables.map { $0.rank == 0 } ?? true)
    let (level, detail) = Self.describe(address, check, variables)
    return (Finding(subject: "address", level: level, detail: detail), check)
  }

  private static func describe(
    _ address: StoreAddress, _ check: StoreAddress.Check, _ variables: LaunchVariables?
  ) -> (Level, String) {
    let isServedElsewhere = variables.map { $0.rank > 0 || $0.launcherHasStore } ?? false
    let place =
      "\(address.host):\(address.port) (\(check.addresses.joined(separator: ", "))) "
    return switch check.state {
    case .unresolved(let reason):
      (
        .failure,
        "\(address.host): \(reason); use a name or address of rank 0's host that every host knows"
      )
    case .free where check.isLoopback:
      (
        variables?.mayHaveOtherHosts ?? false ? .warning : .good,
        place + "is this host, and its port is free; other hosts cannot reach this address"
      )
    case .free: (.good, place + "is this host, and its port is free: rank 0 can listen here")
    case .cannotListen(let reason):
      (.failure, place + "is this host, and rank 0 cannot listen: \(reason); choose another port")
    case .answers where check.isHere && !isServedElsewhere:
      (
        .warning,
        place + "is this host, and a program listens: a launcher or a run, else choose another port"
      )
    case .answers: (.good, place + "answers")
    case .refuses where variables.map { $0.rank > 0 && !$0.launcherHasStore } ?? false:
      (.good, place + "is reached, and no program listens there until rank 0 does")
    case .refuses:
      (
        .warning,
        place + "is reached, and no program listens there yet: start rank 0 or the launcher on it"
      )
    case .silent(let reason):
      (
        .failure,
        place + "does not answer: \(reason); check the address, the network between the hosts, "
          + "and their firewalls"
      )
    }
  }

  /// The network interfaces, and the variables that choose among them.
  ///
  /// - Parameter severalHosts: whether there are processes on other hosts.
  static func network(_ environment: [String: String], severalHosts: Bool) -> Finding {
    let interfaces = NetworkInterface.all()
    var parts = interfaces.map { "\($0.name) \($0.addresses.joined(separator: " "))" }
    var level = Level.good
    for variable in InterfaceVariable.allCases {
      guard let value = value(variable.rawValue, environment) else { continue }
      let unknown = variable.unknown(in: value, among: interfaces.map(\.name))
      if unknown.isEmpty {
        parts.append("\(variable.rawValue)=\(value)")
      } else {
        level = .failure
        parts.append(
          "\(variable.rawValue) names \(unknown.joined(separator: ",")), which this host lacks: "
            + "set it to one of these, or unset it")
      }
    }
    let own = StoreAddress.ofThisHost()
    if value(InterfaceVariable.gloo.rawValue, environment) == nil, own.allSatisfy(\.isLoopback),
      let other = interfaces.first(where: { !$0.isLoopback })
    {
      if severalHosts && level == .good { level = .warning }
      let addresses = own.isEmpty ? "no address" : own.map(\.text).joined(separator: ", ")
      parts.append(
        "the name of this host stands for \(addresses), which other hosts cannot reach: with "
          + "several, set GLOO_SOCKET_IFNAME=\(other.name)")
    }
    return Finding(subject: "network", level: level, detail: parts.joined(separator: "; "))
  }

  /// A variable that is set and not empty.
  private static func value(_ name: String, _ environment: [String: String]) -> String? {
    environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// NCCL, which processes on CUDA devices need. Follows the finding on CUDA, which loads it.
  static func nccl(_ variables: LaunchVariables?) -> Finding {
    if let failure = NCCL.failure {
      let isNeeded = TorchRuntime.hasCUDA && variables?.size ?? 1 > 1
      return Finding(
        subject: "NCCL", level: isNeeded ? .failure : .warning,
        detail: failure + (TorchRuntime.hasCUDA ? "" : "; processes on CPUs use Gloo"))
    }
    let version = NCCL.version ?? "of unknown version"
    return Finding(
      subject: "NCCL", level: .good, detail: "\(version), in libtorch's CUDA library")
  }
}
