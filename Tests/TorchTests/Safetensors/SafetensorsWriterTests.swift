import Foundation
import TestSupport
import Testing
import Torch

@Suite struct SafetensorsWriterTests {
  private let one = Tensor([1] as [Float], shape: [1])

  @Test func `the order of tensors and metadata does not change the bytes`() throws {
    try withTemporaryFolder { folder in
      let half = one.to(.bfloat16)
      let paths = ["\(folder)/1", "\(folder)/2"]
      try Safetensors.write(
        [("b", one), ("a", one), ("c", half)], metadata: ["x": "1", "y": "2"], to: paths[0])
      try Safetensors.write(
        [("c", half), ("a", one), ("b", one)], metadata: ["y": "2", "x": "1"], to: paths[1])
      let bytes = try paths.map { try Data(contentsOf: URL(filePath: $0)) }
      #expect(bytes[0] == bytes[1])
      #expect(try SafetensorsFile(path: paths[0]).keys == ["a", "b", "c"])
    }
  }

  @Test func `a duplicate name is refused and the older file stays`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/x.safetensors"
      try Safetensors.write([("a", one)], to: path)
      #expect(throws: SafetensorsError.duplicateKey(path: path, key: "b")) {
        try Safetensors.write([("b", one), ("b", one)], to: path)
      }
      #expect(try SafetensorsFile(path: path).keys == ["a"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.safetensors"])
    }
  }

  @Test func `a folder that does not exist is an error with the path`() {
    let path = "/nowhere/x.safetensors"
    #expect(
      throws: SafetensorsError.cannotWrite(path: path, reason: "No such file or directory")
    ) { try Safetensors.write([("a", one)], to: path) }
  }

  @Test func `when the disk is full the older file stays and no other file is left beside it`()
    async
  {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = "\(folder)/x.safetensors"
        try Safetensors.write([("a", Tensor([1] as [Float], shape: [1]))], to: path)
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        #expect(
          throws: SafetensorsError.cannotWrite(path: path, reason: "File too large")
        ) { try Safetensors.write([("a", Tensor.zeros([4096]))], to: path) }
        #expect(try SafetensorsFile(path: path).tensor("a").floats() == [1])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.safetensors"])
      }
    }
  }
}
