import Foundation
import TestSupport
import Testing
import Torch

@Suite struct WeightsFolderTests {
  private func write(_ names: [String], to folder: String) throws {
    for (number, name) in names.enumerated() {
      if name.hasSuffix(".safetensors") {
        try Safetensors.write([("a", Tensor([number], shape: [1]))], to: "\(folder)/\(name)")
      } else {
        try Data().write(to: URL(filePath: "\(folder)/\(name)"))
      }
    }
  }

  private func failure(_ folder: String, variant: String? = nil) -> SafetensorsError? {
    #expect(throws: SafetensorsError.self) {
      _ = try WeightsFile.open(folder: folder, baseName: "model", variant: variant)
    }
  }

  @Test func `a variant is opened on request, and the plain weights otherwise`() throws {
    try withTemporaryFolder { folder in
      try write(["model.safetensors", "model.fp16.safetensors"], to: folder)
      let plain = try WeightsFile.open(folder: folder, baseName: "model")
      let half = try WeightsFile.open(folder: folder, baseName: "model", variant: "fp16")
      #expect(plain.tensors["a"]?.ints() == [0])
      #expect(half.tensors["a"]?.ints() == [1])
      #expect(half.path == "\(folder)/model.fp16.safetensors")
    }
  }

  @Test func `the shards of a variant are found through its index`() throws {
    try withTemporaryFolder { folder in
      try write(["model.fp16-00001-of-00001.safetensors"], to: folder)
      let index = "\(folder)/model.safetensors.index.fp16.json"
      try Data(#"{"weight_map":{"a":"model.fp16-00001-of-00001.safetensors"}}"#.utf8)
        .write(to: URL(filePath: index))
      let half = try WeightsFile.open(folder: folder, baseName: "model", variant: "fp16")
      #expect(half.path == index)
      #expect(Array(half.tensors.keys) == ["a"])
      #expect(WeightsFile.exists(folder: folder, baseName: "model", variant: "fp16"))
      #expect(!WeightsFile.exists(folder: folder, baseName: "model"))
      #expect(
        failure(folder)
          == .onlyVariants(folder: folder, name: "model", variants: ["fp16"]))
    }
  }

  @Test func `a folder with only a variant is an error with the variant`() throws {
    try withTemporaryFolder { folder in
      try write(["model.fp16.safetensors", "other.bf16.safetensors"], to: folder)
      let error = try #require(failure(folder))
      #expect(error == .onlyVariants(folder: folder, name: "model", variants: ["fp16"]))
      #expect(error.description.contains("variant fp16"))
    }
  }

  @Test func `a missing variant is an error with the existing ones`() throws {
    try withTemporaryFolder { folder in
      try write(["model.safetensors", "model.fp16.safetensors"], to: folder)
      let error = try #require(failure(folder, variant: "bf16"))
      #expect(
        error
          == .noVariant(
            folder: folder, name: "model", variant: "bf16", others: ["fp16"], hasPlain: true))
      #expect(error.description.contains("'fp16', and the weights without a variant"))
    }
  }

  @Test(arguments: ["model.safetensors", "model.safetensors.index.json"])
  func `a Git LFS pointer in place of weights is an error with the command to run`(
    name: String
  ) throws {
    let pointer = """
      version https://git-lfs.github.com/spec/v1
      oid sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
      size 9787650016

      """
    try withTemporaryFolder { folder in
      try Data(pointer.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
      let error = try #require(failure(folder))
      #expect(error == .gitLFSPointer(path: "\(folder)/\(name)"))
      #expect(error.description.contains("git lfs pull"))
      #expect(error.description.contains("hf download"))
    }
  }

  @Test(arguments: ["pytorch_model.bin", "model.ckpt", "pytorch_model.bin.index.json"])
  func `pickled weights are named and not read`(name: String) throws {
    try withTemporaryFolder { folder in
      try write([name], to: folder)
      let error = try #require(failure(folder))
      #expect(error == .pickledOnly(folder: folder, name: "model", file: name))
      #expect(error.description.contains("safetensors files"))
    }
  }

  @Test func `a missing shard is named with one of its tensors`() throws {
    try withTemporaryFolder { folder in
      try write(["1.safetensors"], to: folder)
      let index = "\(folder)/model.safetensors.index.json"
      try Data(#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#.utf8)
        .write(to: URL(filePath: index))
      #expect(
        failure(folder) == .missingShard(path: index, shard: "2.safetensors", key: "b"))
    }
  }

  @Test(arguments: ["model.safetensors", "2.safetensors"])
  func `truncated data is an error with file, tensor and remedy`(name: String) throws {
    try withTemporaryFolder { folder in
      try write(["1.safetensors", name], to: folder)
      try Data(#"{"weight_map":{"a":"\#(name)"}}"#.utf8)
        .write(to: URL(filePath: "\(folder)/model.safetensors.index.json"))
      let path = "\(folder)/\(name)"
      let whole = try Data(contentsOf: URL(filePath: path))
      try whole.dropLast(3).write(to: URL(filePath: path))
      let error = try #require(failure(folder))
      #expect(
        error
          == .invalidRange(path: path, key: "a", problem: "lie beyond the end of the file"))
      #expect(error.description.contains("copy or download the file again"))
    }
  }
}
