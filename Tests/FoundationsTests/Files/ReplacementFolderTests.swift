import Foundation
import Foundations
import TestSupport
import Testing

@Suite struct ReplacementFolderTests {
  private static func text(_ path: String) throws -> String {
    String(decoding: try AtomicFile.read(path), as: UTF8.self)
  }

  @Test func `a folder is replaced whole and nothing is left beside it`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/above/model"
      for content in ["first", "second"] {
        let replacement = try ReplacementFolder(path)
        try FileTree.makeFolder(replacement.draft + "/unet")
        try AtomicFile.write(content, to: replacement.draft + "/unet/config.json")
        if content == "first" {
          #expect(!FileActions.exists(path))
          try AtomicFile.write("x", to: replacement.draft + "/index.json")
        } else {
          #expect(try Self.text(path + "/unet/config.json") == "first")
        }
        try replacement.commit()
        #expect(try Self.text(path + "/unet/config.json") == content)
        #expect(try FileActions.names(folder + "/above") == ["model"])
      }
      #expect(try FileActions.names(path) == ["unet"])
    }
  }

  @Test func `a draft that is dropped leaves the older folder and nothing beside it`() throws {
    try withTemporaryFolder { folder in
      try FileActions.make(folder + "/model/old")
      do {
        let replacement = try ReplacementFolder(folder + "/model")
        try AtomicFile.write("half", to: replacement.draft + "/file")
      }
      #expect(try FileActions.names(folder) == ["model"])
      #expect(try FileActions.names(folder + "/model") == ["old"])
    }
  }

  @Test func `a process killed while it fills a draft leaves the older folder`() async throws {
    try await withTemporaryFolder { folder in
      try FileActions.make(folder + "/model/old")
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        let replacement = try ReplacementFolder(folder + "/model")
        try AtomicFile.write("half", to: replacement.draft + "/file")
        kill(getpid(), SIGKILL)
      }
      #expect(try FileActions.names(folder).count == 2)
      try ReplacementFolder.clearLeftovers(in: folder)
      #expect(try FileActions.names(folder) == ["model"])
      #expect(try FileActions.names(folder + "/model") == ["old"])
    }
  }

  @Test func `a replacement removes drafts of the folder that are older than a day`() throws {
    try withTemporaryFolder { folder in
      for name in [".tmp-model-1a", ".tmp-model-2b", ".tmp-other-3c", ".old-model"] {
        try FileActions.make("\(folder)/\(name)/part")
      }
      for name in [".tmp-model-1a", ".tmp-other-3c"] {
        try FileManager.default.setAttributes(
          [.modificationDate: Date.now - 90_000], ofItemAtPath: "\(folder)/\(name)")
      }
      let replacement = try ReplacementFolder(folder + "/model")
      #expect(try FileActions.names(folder + "/model") == ["part"])
      try replacement.commit()
      #expect(try FileActions.names(folder) == [".tmp-model-2b", ".tmp-other-3c", "model"])
    }
  }

  @Test func `a folder set aside comes back unless its successor is in place`() throws {
    try withTemporaryFolder { folder in
      try FileActions.make(folder + "/.old-a/first")
      try FileActions.make(folder + "/.old-b/first")
      try FileActions.make(folder + "/b/second")
      try ReplacementFolder.clearLeftovers(in: folder)
      #expect(try FileActions.names(folder) == ["a", "b"])
      #expect(try FileActions.names(folder + "/a") == ["first"])
      #expect(try FileActions.names(folder + "/b") == ["second"])
    }
  }
}
