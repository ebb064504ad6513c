import Foundation
import Foundations
import Runs
import TestSupport
import Testing

struct RunDirectoryTests {
  @Test func `a new run makes its folders`() throws {
    try withTemporaryFolder { folder in
      let run = try RunDirectory(folder + "/a/b", mode: .create)
      #expect(run.path == folder + "/a/b")
      #expect(try FileActions.names(run.path) == ["checkpoints", "lock", "samples", "tree"])
      #expect(try !run.hasRecipe())
      try AtomicFile.write("epochs: 1\n", to: run.recipe)
      #expect(try run.hasRecipe())
      try run.checkPresent()
      try RunDirectory.checkReadable(run.path)
    }
  }

  @Test(arguments: ["recipe.yaml", "metrics.jsonl", "summary.json", "checkpoints/000001"])
  func `a directory that holds a run is refused, unless it is resumed`(_ file: String) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run"
      do {
        let run = try RunDirectory(path, mode: .create)
        try AtomicFile.write("x", to: "\(run.path)/\(file)")
      }
      let expected = RunError.holdsAnotherRun(path: path)
      #expect(throws: expected) { try RunDirectory(path, mode: .create) }
      #expect(expected.description.contains("--resume"))
      try FileActions.make(path + "/checkpoints/000002")
      #expect(try RunDirectory(path, mode: .resume).path == path)
      #expect(try AtomicFile.read("\(path)/\(file)") == Array("x".utf8))
    }
  }

  @Test func `a run killed before its recipe can be begun again or resumed`() throws {
    try withTemporaryFolder { folder in
      for mode in [RunDirectory.Mode.create, .create, .resume] {
        let run = try RunDirectory(folder + "/run", mode: mode)
        #expect(try !run.hasRecipe())
        try AtomicFile.write("half", to: run.path + "/.tmp-recipe.yaml-1")
      }
    }
  }

  @Test func `what a killed process left half-written is removed when the run is resumed`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run"
      do {
        let run = try RunDirectory(path, mode: .create)
        try AtomicFile.write("epochs: 1\n", to: run.recipe)
        for name in [".tmp-summary.json-7", "tree/.tmp-tree.json-7", "samples/.tmp-a.png-7-1"] {
          try AtomicFile.write("half", to: "\(path)/\(name)")
        }
        try FileActions.make("\(path)/.tmp-model-7")
        try AtomicFile.write("half", to: "\(path)/.tmp-model-7/config.json")
      }
      let run = try RunDirectory(path, mode: .resume)
      #expect(
        try FileActions.names(run.path)
          == ["checkpoints", "lock", "recipe.yaml", "samples", "tree"])
      #expect(try FileActions.names(run.tree).isEmpty && FileActions.names(run.samples).isEmpty)
    }
  }

  @Test func `the outcome of an earlier end is put aside as a whole, and nothing else`() throws {
    try withTemporaryFolder { folder in
      let run = try RunDirectory(folder + "/run", mode: .create)
      #expect(try run.putOutcomeAside(epochs: 0) == nil)
      let names = ["checkpoints", "lock", "recipe.yaml", "samples", "tree"]
      // Twice, as after another end with the same number of epochs.
      for content in ["{}", "{\"a\": 1}"] {
        for path in [run.recipe, run.summary, run.adapters + "/a", run.model + "/vae/b"] {
          try FileActions.make(FileTree.parent(of: path))
          try AtomicFile.write(content, to: path)
        }
        let ended = try #require(try run.putOutcomeAside(epochs: 20))
        #expect(ended == run.path + "/ended/000020")
        #expect(try FileActions.names(run.path) == (names + ["ended"]).sorted())
        #expect(try FileActions.names(ended) == ["adapters", "model", "summary.json"])
        for file in ["summary.json", "adapters/a", "model/vae/b"] {
          #expect(try AtomicFile.read("\(ended)/\(file)") == Array(content.utf8))
        }
      }
    }
  }

  /// Killed after a result was moved, and before its summary was.
  @Test func `an outcome that was put aside in part is put aside as a whole`() throws {
    try withTemporaryFolder { folder in
      let run = try RunDirectory(folder + "/run", mode: .create)
      try FileActions.make(run.ended + "/000003/adapters")
      try FileActions.make(run.model)
      try AtomicFile.write("{}", to: run.summary)
      #expect(try run.putOutcomeAside(epochs: 3) == run.ended + "/000003")
      #expect(
        try FileActions.names(run.ended + "/000003") == ["adapters", "model", "summary.json"])
    }
  }

  @Test(arguments: [
    ("metrics.jsonl", "{\"kind\":\"evaluation\",\"epoch\":0}\n", false),
    ("metrics.jsonl", "{\"kind\":\"epoch\",\"epoch\":1}\n", true),
    ("summary.json", "{}", true), ("adapters", "", true),
  ])
  func `a run that has trained is not resumed without a checkpoint`(
    name: String, content: String, isTrained: Bool
  ) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run"
      try FileActions.make(path)
      try AtomicFile.write("epochs: 1\n", to: path + "/recipe.yaml")
      try AtomicFile.write(content, to: "\(path)/\(name)")
      func open() throws(RunError) -> RunDirectory { try RunDirectory(path, mode: .resume) }
      guard isTrained else {
        _ = try open()
        return
      }
      #expect(throws: RunError.checkpointsLost(path: path + "/checkpoints")) { try open() }
      #expect(try FileActions.names(path) == ["lock", name, "recipe.yaml"].sorted())
      // One that a killed process was replacing is a checkpoint.
      try FileActions.make(path + "/checkpoints/.old-000001")
      _ = try open()
    }
  }

  @Test func `a directory with other files is refused`() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("x", to: folder + "/thesis.tex")
      #expect(throws: RunError.notARun(path: folder, found: "thesis.tex")) {
        try RunDirectory(folder, mode: .create)
      }
      #expect(throws: RunError.notARun(path: folder + "/thesis.tex", found: "a file of that name"))
      {
        try RunDirectory(folder + "/thesis.tex", mode: .create)
      }
      #expect(throws: RunError.noRun(path: folder)) { try RunDirectory(folder, mode: .resume) }
      #expect(throws: RunError.noRun(path: folder)) { try RunDirectory.checkReadable(folder) }
      #expect(throws: RunError.noRun(path: folder + "/none")) {
        try RunDirectory(folder + "/none", mode: .resume)
      }
      #expect(try FileActions.names(folder) == ["thesis.tex"])
    }
  }

  @Test func `a second process on the same run is refused with the first one's id`() async throws {
    try await withTemporaryFolder { folder in
      let path = folder + "/run"
      let run = try RunDirectory(path, mode: .create)
      try AtomicFile.write("epochs: 1\n", to: run.recipe)
      await #expect(processExitsWith: .success) { [path = path as String] in
        do throws(RunError) {
          _ = try RunDirectory(path, mode: .resume)
          exit(1)
        } catch {
          guard case .locked(path, let pid?, _?) = error, pid == getppid() else { exit(2) }
        }
      }
      withExtendedLifetime(run) {}
    }
  }

  @Test func `a directory knows the launch that opened it last`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run"
      #expect(try !RunDirectory.wasOpened(path, by: "a"))
      do {
        let run = try RunDirectory(path, mode: .create, launch: "a")
        try AtomicFile.write("epochs: 1\n", to: run.recipe)
      }
      #expect(try RunDirectory.wasOpened(path, by: "a"))
      #expect(try !RunDirectory.wasOpened(path, by: "b"))
      // A refusal changes nothing, a process without a launch ends the claim.
      #expect(throws: RunError.holdsAnotherRun(path: path)) {
        _ = try RunDirectory(path, mode: .create, launch: "b")
      }
      #expect(try RunDirectory.wasOpened(path, by: "a"))
      _ = try RunDirectory(path, mode: .resume)
      #expect(try !RunDirectory.wasOpened(path, by: "a"))
    }
  }

  @Test func `a claim is written over the last one, and never leaves a file without a launch`()
    async throws
  {
    try await withTemporaryFolder { folder in
      let path = folder + "/run"
      do {
        let run = try RunDirectory(path, mode: .create, launch: "a longer name")
        try AtomicFile.write("epochs: 1\n", to: run.recipe)
      }
      _ = try RunDirectory(path, mode: .resume, launch: "a")
      #expect(try RunDirectory.wasOpened(path, by: "a"))
      #if os(Linux)
        // Nothing can be written any more.
        await #expect(processExitsWith: .success) { [path = path as String] in
          signal(SIGXFSZ, SIG_IGN)
          var limit = rlimit(rlim_cur: 0, rlim_max: 0)
          setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
          do throws(RunError) {
            _ = try RunDirectory(path, mode: .resume, launch: "a")
            exit(1)
          } catch {
            guard case .file = error else { exit(2) }
          }
        }
        #expect(try RunDirectory.wasOpened(path, by: "a"))
      #endif
    }
  }

  @Test func `a process follows only into the directory that holds the mark`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run"
      let follow = RunDirectory.Mode.follow(mark: "7", within: .zero)
      #expect(throws: RunError.notShared(path: path)) { _ = try RunDirectory(path, mode: follow) }
      let run = try RunDirectory(path, mode: .create)
      // Another directory of this name, as on a host with a disk of its own.
      try run.put(mark: "6")
      #expect(throws: RunError.notShared(path: path)) { _ = try RunDirectory(path, mode: follow) }
      try run.put(mark: "7")
      #expect(try RunDirectory(path, mode: follow).path == path)
      for mark in ["6", "7"] { try run.remove(mark: mark) }
      #expect(try FileActions.names(path).allSatisfy { !$0.hasPrefix(".tmp-") })
    }
  }

  @Test func `a lock that another program holds is respected, and free once it ends`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run"
      try FileActions.make(path)
      let holder = Process()
      let output = Pipe()
      let input = Pipe()
      holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
      holder.arguments = [path + "/lock", "sh", "-c", "echo held; read line"]
      holder.standardOutput = output
      holder.standardInput = input
      try holder.run()
      #expect(!output.fileHandleForReading.availableData.isEmpty)
      #expect(throws: RunError.locked(path: path, pid: nil, host: nil)) {
        try RunDirectory(path, mode: .resume)
      }
      try input.fileHandleForWriting.close()
      holder.waitUntilExit()
      #expect(try RunDirectory(path, mode: .resume).path == path)
    }
  }

  @Test func `a directory that was moved or replaced is noticed`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run"
      let run = try RunDirectory(path, mode: .create)
      try FileActions.move(path, to: folder + "/elsewhere")
      #expect(throws: RunError.vanished(path: path)) { try run.checkPresent() }
      #expect(throws: FileError.missingFolder(path: path)) {
        try AtomicFile.write("x", to: run.summary)
      }
      try FileActions.make(path)
      #expect(throws: RunError.vanished(path: path)) { try run.checkPresent() }
      try FileActions.remove(path)
      try FileActions.move(folder + "/elsewhere", to: path)
      try run.checkPresent()
    }
  }

  @Test func `a relative path is taken from the current folder`() throws {
    let error = RunError.noRun(path: FileManager.default.currentDirectoryPath + "/no-such-run")
    #expect(throws: error) { try RunDirectory("./no-such-run", mode: .resume) }
  }

  @Test func `a run of an earlier version is refused in one sentence`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/run"
      _ = try RunDirectory(path, mode: .create)
      try AtomicFile.write("model: m\ntext_cache: null\n", to: "\(path)/recipe.yaml")
      let error = RunError.earlierVersion(path: path)
      #expect(throws: error) { try RunDirectory.checkReadable(path) }
      #expect(throws: error) { try RunDirectory(path, mode: .resume) }
      #expect(error.description.contains("docs/renamed.md"))
    }
  }
}
