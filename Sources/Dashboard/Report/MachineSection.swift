import Runs

/// Where and with what the run ran.
struct MachineSection {
  let run: RunRecord

  func markup() -> Markup {
    guard let machine = run.summary?.machine else {
      return element("p", ["class": "notice"]) { "The machine is recorded when the run ends." }
    }
    let gibibytes = Double(machine.memoryBytes) / Double(1 << 30)
    let entries = [
      ("Processor", machine.processor), ("Cores", "\(machine.cores)"),
      ("Memory", "\(Figures.fixed(gibibytes, 1)) GiB"), ("System", machine.system),
      ("Tensors on", machine.device), ("libtorch", machine.torch),
    ]
    return element("dl") {
      for (name, value) in entries {
        element("dt") { name }
        element("dd") { value }
      }
    }
  }
}
