import Foundation
import TestSupport
import Testing

@Suite struct ThreadStressTests {
  @Test func `ThreadSanitizer finds no race, no deadlock and no wrong result in threads over rows`()
    throws
  {
    try withTemporaryFolder { folder in
      let log = folder + "/log"
      try Data().write(to: URL(filePath: log))
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = ["bash", testsFolder() + "/ThreadStress/run.sh", folder]
      process.standardOutput = try FileHandle(forWritingTo: URL(filePath: log))
      process.standardError = process.standardOutput
      try process.run()
      process.waitUntilExit()
      let text = try String(contentsOfFile: log, encoding: .utf8)
      #expect(process.terminationStatus == 0, "\(text)")
    }
  }
}
