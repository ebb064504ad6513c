import TestSupport
import Testing

@Suite struct ThreadStressTests {
  @Test func `ThreadSanitizer finds no race, no deadlock and no wrong result in threads over rows`()
    throws
  {
    try withTemporaryFolder { folder in
      let run = try ProgramRun(
        "/usr/bin/env", ["bash", testsFolder() + "/ThreadStress/run.sh", folder])
      #expect(run.status == 0, "\(run.output)")
    }
  }
}
