import ArgumentParser
import CPUKernels
import DiffusionModels
import Foundation
import Foundations
import ProcessGroups
import Runs
import Torch
import Training

/// `tempflow doctor`: checks whether this machine can run the other commands.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Checks that this machine meets the requirements of the other commands.",
    discussion: """
      Ends with status 1 when a requirement is missing; each line names the remedy. For several \
      processes it tries the address at which they meet: on the host of rank 0 whether the port is \
      free, on another host whether that one is reached.

      Example: tempflow doctor --model Models/shapes --address 127.0.0.1:29500 --json
      """)

  @Option(name: .long, help: "The model folder to check.")
  var model = "Models/shapes"

  @Option(name: .long, help: "The folder of future runs.")
  var runs = "."

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The address at which processes meet (default: the launcher's).",
      valueName: "host:port"),
    transform: { text in
      guard let address = StoreAddress(text) else {
        throw ValidationError("'\(text)' is no HOST:PORT, such as node1:29500")
      }
      return address
    })
  var address: StoreAddress?

  @OptionGroup var output: OutputOptions

  func run() throws {
    let report = Diagnosis(
      model: model, runs: runs, address: address,
      environment: ProcessInfo.processInfo.environment)
    try output.print(report) { report.text }
    guard report.isSound else { throw ExitCode.failure }
  }
}

/// The findings of `doctor`.
struct Diagnosis: Encodable {
  /// The severity of a finding.
  enum Level: String, Encodable {
    case good, warning, failure
  }

  /// One checked requirement.
  struct Finding: Encodable {
    var subject: String
    var level: Level
    /// What was found and, unless good, the remedy.
    var detail: String
  }

  var version = Version.current
  var findings: [Finding]

  /// Whether every requirement is met.
  var isSound: Bool { findings.allSatisfy { $0.level != .failure } }

  /// One line per finding.
  var text: String {
    let rows = findings.map { finding in
      let mark =
        switch finding.level {
        case .good: "ok"
        case .warning: "note"
        case .failure: "FAIL"
        }
      return [mark, finding.subject, finding.detail]
    }
    return TextTable(columns: [.left(4), .left(10), .left()], rows: rows).text
  }

  init(model: String, runs: String, address: StoreAddress?, environment: [String: String]) {
    let cuda = Self.cuda
    let (processes, variables) = Self.processes(environment)
    findings = [
      Self.libtorch, Self.threads, Self.kernels, cuda, Self.nccl(variables),
      Self.modelFolder(model), Self.disk(runs), Self.promptCache, processes,
    ]
    let meeting = Self.address(address, variables)
    let isElsewhere = meeting.map { !$0.check.addresses.isEmpty && !$0.check.isHere } ?? false
    let hasOthers = variables?.mayHaveOtherHosts ?? false
    findings.append(Self.network(environment, severalHosts: isElsewhere || hasOthers))
    if let meeting { findings.append(meeting.finding) }
  }

  private static var libtorch: Finding {
    do throws(TorchVersionMismatch) {
      try TorchRuntime.checkVersion()
      return Finding(subject: "libtorch", level: .good, detail: TorchRuntime.version)
    } catch {
      return Finding(subject: "libtorch", level: .failure, detail: error.description)
    }
  }

  private static var threads: Finding {
    let processors = ProcessInfo.processInfo.activeProcessorCount
    return Finding(
      subject: "threads", level: .good,
      detail: "\(TorchRuntime.threadCount) for one operator, \(processors) processors")
  }

  /// The CPU kernels that replace libtorch's operators.
  private static var kernels: Finding {
    let chosen: Set<CPUKernel>
    do throws(UnknownCPUKernel) {
      chosen = try CPUKernel.chosenByEnvironment()
    } catch {
      return Finding(subject: "kernels", level: .failure, detail: error.description)
    }
    let parts = CPUKernel.allCases.map { kernel in
      kernel.offReason(among: chosen).map { "off: \(kernel.name) (\($0))" }
        ?? "on: \(kernel.nameWithInstructions)"
    }
    return Finding(subject: "kernels", level: .good, detail: parts.joined(separator: "; "))
  }

  private static var cuda: Finding {
    if let failure = TorchRuntime.cudaFailure {
      let reason = failure.split(separator: "\n").first ?? "unknown reason"
      return Finding(subject: "CUDA", level: .warning, detail: "not used: \(reason)")
    }
    let devices = (0..<TorchRuntime.cudaDeviceCount).map { index in
      let device = Device.cuda(index)
      let memory = TorchRuntime.memory(of: device).map {
        (Double($0) / 1e9).formatted(.number.precision(.fractionLength(0))) + " GB"
      }
      return ([device.description, TorchRuntime.name(of: device)] + [memory]).compactMap { $0 }
        .joined(separator: " ")
    }
    return Finding(
      subject: "CUDA", level: .good,
      detail: "\(devices.count) device(s): \(devices.joined(separator: ", "))")
  }

  private static func modelFolder(_ path: String) -> Finding {
    guard FileManager.default.fileExists(atPath: "\(path)/model_index.json") else {
      return Finding(
        subject: "model", level: .warning,
        detail: "\(path) holds no model_index.json; name a diffusers folder with --model, or make "
          + "the embedded one with `tempflow pretrain Recipes/shapes-pretrain.yaml`")
    }
    do {
      _ = try FlowModelRegistry.family(of: path)
      for component in ["transformer", "vae"] where try !hasWeights("\(path)/\(component)") {
        return Finding(
          subject: "model", level: .warning,
          detail: "\(path)/\(component) holds no .safetensors file; fetch the model's weights")
      }
    } catch {
      return Finding(subject: "model", level: .failure, detail: "\(path): \(error)")
    }
    return Finding(subject: "model", level: .good, detail: path)
  }

  private static func hasWeights(_ folder: String) throws -> Bool {
    guard FileManager.default.fileExists(atPath: folder) else { return false }
    return try FileManager.default.contentsOfDirectory(atPath: folder)
      .contains { $0.hasSuffix(".safetensors") }
  }

  /// The default folder of encoded prompts, or the nearest folder above it that exists.
  private static var promptCache: Finding {
    var folder = PromptCache.defaultFolder
    while !FileManager.default.fileExists(atPath: folder), folder != "/" {
      folder = FileTree.parent(of: folder)
    }
    do {
      let free = try freeGigabytes(folder)
      return Finding(
        subject: "cache", level: free.value >= 1 ? .good : .warning,
        detail: "\(free.text) GB free under \(folder) for encoded prompts; `tempflow plan` has "
          + "their size, and prompt_cache names another folder")
    } catch {
      return Finding(
        subject: "cache", level: .warning,
        detail: "\(folder): \(error.localizedDescription); prompt_cache names another folder for "
          + "encoded prompts")
    }
  }

  private static func disk(_ path: String) -> Finding {
    do {
      let free = try freeGigabytes(path)
      guard free.value >= 1 else {
        return Finding(
          subject: "disk", level: .failure,
          detail: "\(free.text) GB free under \(path); a run needs about 1 GB, so make room")
      }
      return Finding(subject: "disk", level: .good, detail: "\(free.text) GB free under \(path)")
    } catch {
      return Finding(
        subject: "disk", level: .failure,
        detail: "\(path): \(error.localizedDescription); name a folder that exists with --runs")
    }
  }

  /// The free space of a folder's file system, as a number and with one digit.
  private static func freeGigabytes(_ path: String) throws -> (value: Double, text: String) {
    let attributes = try FileManager.default.attributesOfFileSystem(forPath: path)
    let free = ((attributes[.systemFreeSize] as? NSNumber)?.doubleValue ?? 0) / 1e9
    return (free, free.formatted(.number.precision(.fractionLength(1))))
  }
}
