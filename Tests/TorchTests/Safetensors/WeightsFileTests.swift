import Foundation
import TestSupport
import Testing
import Torch

@Suite struct WeightsFileTests {
  @discardableResult private func write(
    _ folder: String, index: String, shards: [String: [String]]
  ) throws -> String {
    for (name, keys) in shards {
      try Safetensors.write(
        keys.map { ($0, Tensor([1] as [Float], shape: [1])) }, to: "\(folder)/\(name)")
    }
    let path = "\(folder)/model.safetensors.index.json"
    try Data(index.utf8).write(to: URL(filePath: path))
    return path
  }

  @Test func `a checkpoint sharded by Python is read as one`() throws {
    let checkpoint = try WeightsFile.open(
      folder: fixture("safetensors/sharded"), baseName: "model")
    #expect(checkpoint.tensors.count == 5)
    for block in 0..<5 {
      let tensor = try #require(checkpoint.tensors["block.\(block).weight"])
      #expect(tensor.floats() == [Float](repeating: Float(block), count: 16))
    }
    #expect(checkpoint.path.hasSuffix("model.safetensors.index.json"))
  }

  @Test func `a single file is preferred to an index`() throws {
    try withTemporaryFolder { folder in
      try write(folder, index: "broken", shards: ["model.safetensors": ["a"]])
      let checkpoint = try WeightsFile.open(folder: folder, baseName: "model")
      #expect(Array(checkpoint.tensors.keys) == ["a"])
    }
  }

  @Test func `a folder without weights is named`() throws {
    try withTemporaryFolder { folder in
      #expect(throws: SafetensorsError.noCheckpoint(folder: folder, name: "model")) {
        _ = try WeightsFile.open(folder: folder, baseName: "model")
      }
    }
  }

  @Test func `an index that disagrees with a shard is refused`() throws {
    try withTemporaryFolder { folder in
      let path = try write(
        folder, index: #"{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}"#,
        shards: ["1.safetensors": ["a"]])
      #expect(
        throws: SafetensorsError.shardMismatch(
          path: path, key: "b", problem: "is not in 1.safetensors")
      ) { _ = try WeightsFile.open(folder: folder, baseName: "model") }
    }
    try withTemporaryFolder { folder in
      let path = try write(
        folder, index: #"{"weight_map":{"a":"1.safetensors"}}"#,
        shards: ["1.safetensors": ["a", "b"]])
      #expect(
        throws: SafetensorsError.shardMismatch(
          path: path, key: "b", problem: "is in 1.safetensors, not in the index")
      ) { _ = try WeightsFile.open(folder: folder, baseName: "model") }
    }
  }

  @Test func `an index with files in other folders or duplicate tensors is refused`() throws {
    try withTemporaryFolder { folder in
      let path = try write(
        folder, index: #"{"weight_map":{"a":"../x.safetensors"}}"#, shards: [:])
      #expect(
        throws: SafetensorsError.invalidEntry(
          path: path, key: "a", problem: "'../x.safetensors' is not a file name")
      ) { _ = try WeightsFile.open(folder: folder, baseName: "model") }
      _ = try write(
        folder, index: #"{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}"#, shards: [:])
      #expect(throws: SafetensorsError.duplicateKey(path: path, key: "a")) {
        _ = try WeightsFile.open(folder: folder, baseName: "model")
      }
    }
  }
}
