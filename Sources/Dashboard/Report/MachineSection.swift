import Runs

/// Processor, memory, system and libtorch of the run.
struct MachineSection {
  let run: RunRecord

  func markup() -> Markup {
    guard let machine = run.summary?.machine else {
      return element("p", ["class": "notice"]) { "The machine is recorded when the run ends." }
    }
    let gibibytes = Double(machine.memoryBytes) / Double(1 << 30)
    let entries =
      [
        ("Processor", machine.processor), ("Cores", "\(machine.cores)"),
        ("Memory", "\(Figures.fixed(gibibytes, 1)) GiB"), ("System", machine.system),
        ("Tensors on", machine.device), ("libtorch", machine.torch),
      ] + peaks
    return element("dl") {
      for (name, value) in entries {
        element("dt") { name }
        element("dd") { value }
      }
    }
  }

  /// The most memory in use, by phase, the largest first.
  private var peaks: [(String, String)] {
    guard let peaks = run.summary?.peakMemory, !peaks.isEmpty else { return [] }
    let sorted = peaks.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let parts = sorted.map { "\($0.key) \(Figures.fixed(Double($0.value) / 1e9, 2)) GB" }
    return [("Peak memory", parts.joined(separator: ", "))]
  }
}
