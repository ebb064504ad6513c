import Foundation
import Foundations
import Runs
import TestSupport
import Testing

struct CheckpointStoreTests {
  struct WriterFailure: Error {}

  /// Saves a checkpoint whose content holds its number.
  @discardableResult
  private static func save(_ number: Int, in store: CheckpointStore) throws -> Checkpoint {
    try store.save(number) { folder in
      try AtomicFile.write("state \(number)", to: folder + "/state.json")
      try FileActions.make(folder + "/adapter")
      try AtomicFile.write([UInt8](repeating: 3, count: 2_000_000), to: folder + "/adapter/weights")
    }
  }

  private static func state(_ checkpoint: Checkpoint?) throws -> String? {
    try checkpoint.map {
      String(decoding: try AtomicFile.read($0.path + "/state.json"), as: UTF8.self)
    }
  }

  @Test func `a checkpoint is found again with its content`() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder + "/checkpoints", keep: 5)
      #expect(try store.newest().checkpoint == nil)
      let saved = try Self.save(12, in: store)
      #expect(saved.path == folder + "/checkpoints/000012")
      #expect(try FileActions.names(saved.path) == ["adapter", "manifest.json", "state.json"])
      let again = try CheckpointStore(folder + "/checkpoints", keep: 5)
      let (found, damaged) = try again.newest()
      #expect(found == saved)
      #expect(damaged.isEmpty)
      #expect(try again.checkpoint(12) == saved)
      #expect(try Self.state(found) == "state 12")
    }
  }

  @Test func `the manifest lists every file with its size and digest`() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder, keep: 1)
      let saved = try store.save(3) { try AtomicFile.write("abc", to: $0 + "/a.txt") }
      let manifest = try JSONParser.parse(
        try AtomicFile.read(saved.path + "/manifest.json")[...])
      let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
      #expect(
        manifest == [
          "format": 1, "number": 3,
          "files": [["path": "a.txt", "bytes": 3, "sha256": .string(digest)]],
        ])
    }
  }

  @Test(arguments: ["flip", "cut", "remove", "manifest", "no manifest", "number"])
  func `the newest sound checkpoint is used when the last is damaged, and it says so`(
    _ damage: String
  ) throws {
    try withTemporaryFolder { folder in
      let writer = try CheckpointStore(folder, keep: 5)
      for number in 1...3 { try Self.save(number, in: writer) }
      try Self.damage(folder + "/000003", damage)
      let store = try CheckpointStore(folder, keep: 5)
      let (found, damaged) = try store.newest()
      #expect(found?.number == 2)
      #expect(try Self.state(found) == "state 2")
      #expect(damaged.count == 1)
      #expect(damaged[0].description.contains("000003 is damaged"), "\(damaged)")
      #expect(throws: RunError.self) { try store.checkpoint(3) }
      // Training is resumed from 2 and writes 3 again.
      try Self.save(3, in: store)
      #expect(try CheckpointStore(folder, keep: 5).newest().checkpoint?.number == 3)
    }
  }

  @Test func `checkpoints that a run does not go on from are out of its way until it has new ones`()
    throws
  {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder, keep: 5)
      for number in 1...3 { try Self.save(number, in: store) }
      // Twice, as when a disk fails again.
      for _ in 0..<2 {
        try store.putAside(newerThan: 1)
        #expect(try FileActions.names(folder) == [".damaged-000002", ".damaged-000003", "000001"])
        #expect(try CheckpointStore(folder, keep: 5).newest().checkpoint?.number == 1)
        try Self.save(2, in: store)
        #expect(try FileActions.names(folder) == [".damaged-000003", "000001", "000002"])
      }
      try Self.save(4, in: store)
      #expect(try FileActions.names(folder) == ["000001", "000002", "000004"])
    }
  }

  private static func damage(_ checkpoint: String, _ kind: String) throws {
    let weights = checkpoint + "/adapter/weights"
    let manifest = checkpoint + "/manifest.json"
    switch kind {
    case "flip":
      var bytes = try AtomicFile.read(weights)
      bytes[1_234_567] ^= 1
      try AtomicFile.write(bytes, to: weights)
    case "cut": try AtomicFile.write(try AtomicFile.read(weights).dropLast(), to: weights)
    case "remove": try FileActions.remove(weights)
    case "manifest": try AtomicFile.write("{", to: manifest)
    case "no manifest": try FileActions.remove(manifest)
    default:
      let text = String(decoding: try AtomicFile.read(manifest), as: UTF8.self)
      try AtomicFile.write(
        text.replacingOccurrences(of: "\"number\":3", with: "\"number\":4"), to: manifest)
    }
  }

  @Test func `when all are damaged nothing is loaded`() throws {
    try withTemporaryFolder { folder in
      let writer = try CheckpointStore(folder, keep: 5)
      for number in 1...2 {
        try Self.save(number, in: writer)
        try Self.damage("\(folder)/00000\(number)", "cut")
      }
      do throws(RunError) {
        _ = try CheckpointStore(folder, keep: 5).newest()
        Issue.record("a damaged checkpoint was used")
      } catch {
        guard case .noSoundCheckpoint(folder, let reasons) = error else { throw error }
        #expect(reasons.count == 2)
      }
    }
  }

  @Test func `pruning keeps the newest and never counts damaged ones`() throws {
    try withTemporaryFolder { folder in
      let writer = try CheckpointStore(folder, keep: 2)
      for number in 1...5 { try Self.save(number, in: writer) }
      #expect(try writer.numbers() == [4, 5])
      try Self.damage(folder + "/000005", "flip")
      let store = try CheckpointStore(folder, keep: 1)
      #expect(try store.newest().checkpoint?.number == 4)
      // 5 is damaged and newer: it must not push the last sound ones out.
      try store.save(4) { try AtomicFile.write("again", to: $0 + "/state.json") }
      #expect(try store.numbers() == [4, 5])
      #expect(try CheckpointStore(folder, keep: 1).newest().checkpoint?.number == 4)
      try Self.save(6, in: store)
      #expect(try store.numbers() == [6])
    }
  }

  @Test func `a writer that fails leaves the earlier checkpoints and nothing else`() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder, keep: 2)
      try Self.save(1, in: store)
      #expect(throws: RunError.file(.diskFull(path: "x"))) {
        try store.save(2) { path in
          try AtomicFile.write("half", to: path + "/state.json")
          throw RunError.file(.diskFull(path: "x"))
        }
      }
      do throws(RunError) {
        try store.save(2) { _ in throw WriterFailure() }
        Issue.record("a failed checkpoint was saved")
      } catch {
        guard case .checkpointNotWritten(_, "WriterFailure()") = error else { throw error }
      }
      #expect(try FileActions.names(folder) == ["000001"])
      #expect(try store.newest().checkpoint?.number == 1)
    }
  }

  @Test func `a folder that vanished is named`() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder + "/checkpoints", keep: 2)
      try FileActions.move(folder + "/checkpoints", to: folder + "/moved")
      #expect(throws: RunError.vanished(path: folder + "/checkpoints")) {
        try store.save(1) { _ in }
      }
      try FileActions.move(folder + "/moved", to: folder + "/checkpoints")
      #expect(throws: RunError.vanished(path: folder + "/checkpoints")) {
        try store.save(1) { path in
          try FileActions.move(folder + "/checkpoints", to: folder + "/moved")
          try AtomicFile.write("x", to: path + "/state.json")
        }
      }
    }
  }

  @Test func `a process killed while it writes leaves the checkpoint before`() async throws {
    try await withTemporaryFolder { folder in
      try Self.save(1, in: try CheckpointStore(folder, keep: 1))
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        try CheckpointStore(folder, keep: 1).save(2) { path in
          try AtomicFile.write("state 2", to: path + "/state.json")
          kill(getpid(), SIGKILL)
        }
      }
      let names = try FileActions.names(folder)
      #expect(names.count == 2 && names[0].hasPrefix(".tmp-000002-") && names[1] == "000001")
      let store = try CheckpointStore(folder, keep: 1)
      #expect(try FileActions.names(folder) == ["000001"])
      #expect(try Self.state(store.newest().checkpoint) == "state 1")
    }
  }

  @Test func `a process killed between any two steps of replacing loses nothing`() throws {
    try withTemporaryFolder { folder in
      try Self.save(7, in: try CheckpointStore(folder + "/whole", keep: 1))
      let old = folder + "/whole/000007"
      // Set aside, its successor not yet in place.
      try FileActions.make(folder + "/a")
      try FileActions.copy(old, to: folder + "/a/.old-000007")
      try FileActions.copy(old, to: folder + "/a/.tmp-000007")
      // The successor in place, the old one not yet removed, or only in part.
      try FileActions.make(folder + "/b")
      try FileActions.copy(old, to: folder + "/b/000007")
      try FileActions.copy(old, to: folder + "/b/.old-000007")
      try FileActions.remove(folder + "/b/.old-000007/state.json")
      for place in ["/a", "/b"] {
        let store = try CheckpointStore(folder + place, keep: 1)
        #expect(try Self.state(store.newest().checkpoint) == "state 7")
        #expect(try FileActions.names(folder + place) == ["000007"])
      }
    }
  }
}
