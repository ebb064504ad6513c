import Foundation
import ProcessGroups
import Torch

// What several processes need: an address that all reach, network interfaces, NCCL.

extension Diagnosis {
  /// The address where processes meet, of `--address` or of `MASTER_ADDR` and `MASTER_PORT`; nil
  /// without one.
  static func address(
    _ given: StoreAddress?, _ environment: [String: String]
  ) -> (finding: Finding, check: StoreAddress.Check?)? {
    let address: StoreAddress
    if let given {
      address = given
    } else if let host = value("MASTER_ADDR", environment),
      let port = value("MASTER_PORT", environment)
    {
      guard let number = Int(port), 1...65535 ~= number else {
        let detail =
          "MASTER_PORT is '\(port)'; set it to a free port of rank 0's host, 1 to 65535"
        return (Finding(subject: "address", level: .failure, detail: detail), nil)
      }
      address = StoreAddress(host: host, port: number)
    } else {
      return nil
    }
    let check = address.check(timeout: .seconds(3))
    let (level, detail) = Self.describe(address, check)
    return (Finding(subject: "address", level: level, detail: detail), check)
  }

  private static func describe(
    _ address: StoreAddress, _ check: StoreAddress.Check
  ) -> (Level, String) {
    let place =
      "\(address.host):\(address.port) (\(check.addresses.joined(separator: ", "))) "
    return switch check.state {
    case .unresolved(let reason):
      (
        .failure,
        "\(address.host): \(reason); use a name or address of rank 0's host that every host knows"
      )
    case .free where check.isLoopback:
      (.good, place + "is this host, and its port is free; other hosts cannot reach this address")
    case .free: (.good, place + "is this host, and its port is free: rank 0 can listen here")
    case .cannotListen(let reason):
      (.failure, place + "is this host, and rank 0 cannot listen: \(reason); choose another port")
    case .answers where check.isHere:
      (
        .warning,
        place + "is this host, and a program listens: a launcher or a run, else choose another port"
      )
    case .answers: (.good, place + "answers")
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
  /// - Parameter severalHosts: whether the address is another host's.
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
  static var nccl: Finding {
    if let failure = NCCL.failure {
      return Finding(
        subject: "NCCL", level: .warning,
        detail: failure + (TorchRuntime.hasCUDA ? "" : "; processes on CPUs use Gloo"))
    }
    let version = NCCL.version ?? "of unknown version"
    return Finding(
      subject: "NCCL", level: .good, detail: "\(version), in libtorch's CUDA library")
  }
}
