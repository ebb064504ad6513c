import Foundation
import TestSupport
import Testing

/// Runs the example and returns its output.
private func output(of executable: String) throws -> String {
  let process = Process()
  let pipe = Pipe()
  process.executableURL = URL(fileURLWithPath: executable)
  process.standardOutput = pipe
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  try #require(process.terminationReason == .exit && process.terminationStatus == 0)
  return String(decoding: data, as: UTF8.self)
}

/// The number after `name:` in a line of the legend.
private func reward(of name: String, in text: String) throws -> Double {
  let line = try #require(text.split(separator: "\n").first { $0.contains(" \(name): ") })
  let number = try #require(line.split(separator: ": ").last?.split(separator: " ").first)
  return try #require(Double(number))
}

@Suite struct PointsExampleTests {
  @Test func `the example's reward rises with both methods, more with TempFlow-GRPO`() throws {
    let text = try output(of: builtProduct("points"))
    let tempflow = try reward(of: "TempFlow-GRPO", in: text)
    let baseline = try reward(of: "Flow-GRPO", in: text)
    // Both start near 0.28.
    #expect(tempflow > 0.9 && baseline > 0.8, "\(text)")
    #expect(tempflow > baseline, "\(text)")
    let canvas = text.split(separator: "\n").filter { $0.hasPrefix(" |") }.joined()
    #expect(canvas.contains("#") && canvas.contains("o"), "\(text)")
  }

  @Test func `the example imports one module and fits on two pages`() throws {
    let path = repositoryFolder() + "/Examples/points/Points.swift"
    let lines = try String(contentsOfFile: path, encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(lines.filter { $0.hasPrefix("import ") } == ["import TempFlow"])
    #expect(lines.count < 120)
  }
}
