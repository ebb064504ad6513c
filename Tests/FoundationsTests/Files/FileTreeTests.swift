import Foundations
import TestSupport
import Testing

@Suite struct FileTreeTests {
  @Test(arguments: [
    ("x/y.yaml", "/a/x/y.yaml"), ("../x", "/x"), ("/abs//./z/../w", "/abs/w"), (".", "/a"),
    ("../../..", "/"),
  ])
  func `a path is made absolute without dots and doubled slashes`(_ path: String, _ full: String) {
    #expect(FileTree.absolutePath(path, in: "/a") == full)
  }

  @Test func `a path has a folder and a name`() {
    #expect(FileTree.parent(of: "/a/b") == "/a" && FileTree.name(of: "/a/b") == "b")
    #expect(FileTree.parent(of: "/a") == "/" && FileTree.parent(of: "a") == ".")
    #expect(FileTree.name(of: "a/") == "a")
  }

  @Test func `the contents of a folder are the files and folders below it`() throws {
    try withTemporaryFolder { folder in
      try FileTree.makeFolder(folder + "/b/c")
      try AtomicFile.write("1", to: folder + "/b/c/one")
      try AtomicFile.write("2", to: folder + "/a")
      let (files, folders) = try FileTree.contents(of: folder)
      #expect(files == ["a", "b/c/one"] && folders == ["b", "b/c"])
      try FileTree.remove(folder + "/b")
      try FileTree.remove(folder + "/b")
      #expect(try FileTree.names(in: folder) == ["a"])
    }
  }

  @Test func `a file in the place of a folder is an error with its path`() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("1", to: folder + "/a")
      let error = FileError.system(
        path: folder + "/a", operation: "make the folder", reason: "a file has that name")
      #expect(throws: error) { try FileTree.makeFolder(folder + "/a") }
      #expect(error.description == "Cannot make the folder \(folder)/a: a file has that name.")
    }
  }

  @Test func `a device that is full is named as such`() throws {
    let file = try OpenFile("/dev/full", for: .appending)
    #expect(throws: FileError.diskFull(path: "/dev/full")) { try file.write([1, 2, 3]) }
  }
}
