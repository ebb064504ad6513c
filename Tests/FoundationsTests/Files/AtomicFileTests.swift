import Foundation
import Foundations
import TestSupport
import Testing

struct AtomicFileTests {
  @Test func `a file is replaced whole and nothing is left beside it`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/file.txt"
      try AtomicFile.write("first", to: path)
      try AtomicFile.write([UInt8](repeating: 7, count: 3_000_000), to: path)
      #expect(try AtomicFile.read(path) == [UInt8](repeating: 7, count: 3_000_000))
      #expect(try FileActions.names(folder) == ["file.txt"])
    }
  }

  @Test func `a write that fails leaves the old file and nothing beside it`() throws {
    try withTemporaryFolder { folder in
      // A folder cannot be replaced by a file, so the rename fails after all has been written.
      try FileActions.make(folder + "/target/inner")
      #expect(throws: FileError.self) { try AtomicFile.write("x", to: folder + "/target") }
      #expect(try FileActions.names(folder) == ["target"])
      #expect(FileActions.exists(folder + "/target/inner"))
    }
  }

  @Test func `a missing folder or file is named`() throws {
    try withTemporaryFolder { folder in
      #expect(throws: FileError.missingFolder(path: folder + "/none")) {
        try AtomicFile.write("x", to: folder + "/none/file")
      }
      let reason = "No such file or directory"
      let expected = FileError.system(path: folder + "/none", operation: "open", reason: reason)
      #expect(throws: expected) { try AtomicFile.read(folder + "/none") }
    }
  }

  @Test func `a disk that fills up keeps the old file`() async throws {
    try await withTemporaryFolder { folder in
      let path = folder + "/file"
      try AtomicFile.write("old", to: path)
      await #expect(processExitsWith: .success) { [path = path as String] in
        // Stands in for a full disk: this process may write files of 1000 bytes at most.
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 1000, rlim_max: 1000)
        guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(1) }
        do throws(FileError) {
          try AtomicFile.write([UInt8](repeating: 7, count: 5000), to: path)
          exit(2)
        } catch {
          guard case .system(_, "write", _) = error else { exit(3) }
        }
      }
      #expect(try AtomicFile.read(path) == Array("old".utf8))
      #expect(try FileActions.names(folder) == ["file"])
    }
  }
}
