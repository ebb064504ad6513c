import Foundation
import Testing

/// `Tools/compare.sh` with a stand-in for the command.
struct CompareScriptTests {
  /// A stand-in for training: logs its arguments and writes a summary, or fails on request.
  private static let standIn = """
    #!/usr/bin/env bash
    echo "$@" >> "$CALLS"
    while [ $# -gt 0 ]; do
      if [ "$1" = --run-dir ]; then directory=$2; fi
      shift
    done
    [ -n "${directory:-}" ] || exit 0
    mkdir -p "$directory"
    echo 'seed: 1' > "$directory/recipe.yaml"
    if [ "${directory##*/}" = "${FAILING:-}" ]; then echo 'no space is left'; exit 1; fi
    echo '{ "finished" : true }' > "$directory/summary.json"

    """

  /// Exit status and output.
  private func compare(in folder: String, failing: String = "") throws -> (Int32, String) {
    let command = folder + "/tempflow"
    try Self.standIn.write(toFile: command, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: command)
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["bash", root.path + "/Tools/compare.sh"]
    process.environment = ProcessInfo.processInfo.environment.merging([
      "TEMPFLOW": command, "RUNS": folder + "/runs", "OUTPUT": folder + "/results",
      "CALLS": folder + "/calls", "FAILING": failing, "SECONDS_PER_RUN": "60", "SEEDS": "1 2",
    ]) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let said = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: said, as: UTF8.self))
  }

  private func calls(_ folder: String) throws -> [String] {
    try String(contentsOfFile: folder + "/calls", encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }

  @Test func `every method is trained under every seed for the same time, then compared`() throws {
    try withTemporaryFolder { folder in
      let (status, said) = try compare(in: folder)
      #expect(status == 0, "\(said)")
      let calls = try calls(folder)
      let training = calls.filter { $0.hasPrefix("train Recipes/shapes.yaml") }
      #expect(training.count == 8 && calls.count == 9)
      #expect(training.allSatisfy { $0.contains("--set time_limit=60 ") })
      #expect(training.allSatisfy { $0.contains("--set threads=1 ") && !$0.contains("--resume") })
      for method in ["flow-grpo", "branching", "weights", "tempflow-grpo"] {
        for seed in 1...2 {
          let own = training.filter { $0.contains("/runs/\(method)-seed-\(seed) ") }
          #expect(own.count == 1 && own[0].contains("--set seed=\(seed) "))
        }
      }
      #expect(calls.last?.hasPrefix("compare \(folder)/runs/flow-grpo-seed-1 ") == true)
    }
  }

  @Test func `a run that failed is named, and a second start resumes it alone`() throws {
    try withTemporaryFolder { folder in
      let (status, said) = try compare(in: folder, failing: "weights-seed-2")
      #expect(status != 0)
      #expect(said.contains("weights-seed-2: failed") && said.contains("no space is left"))
      #expect(try calls(folder).count == 8)
      let (again, kept) = try compare(in: folder)
      #expect(again == 0, "\(kept)")
      let later = try calls(folder).dropFirst(8)
      #expect(later.count == 2)
      #expect(later.first?.contains("/runs/weights-seed-2 ") == true)
      #expect(later.first?.contains("--resume") == true)
      #expect(kept.contains("weights-seed-1: already finished, kept"))
    }
  }
}
