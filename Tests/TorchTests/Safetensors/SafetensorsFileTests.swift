import Foundation
import TestSupport
import Testing
import Torch

@Suite struct SafetensorsFileTests {
  private static let values = [-2, 0.5, 1, 3, 0, -0.25]
  private static let whole = [-2, 0, 1, 3, 100, -7]

  @Test(arguments: [
    ("F64", DType.float64), ("F32", .float32), ("F16", .float16), ("BF16", .bfloat16),
    ("F8_E4M3", .float8E4M3), ("F8_E5M2", .float8E5M2),
  ])
  func `floating-point tensors written by Python are read`(key: String, dtype: DType) throws {
    let file = try SafetensorsFile(path: fixture("safetensors/types.safetensors"))
    let tensor = try file.tensor(key)
    #expect(tensor.dtype == dtype)
    #expect(tensor.shape == [2, 3])
    #expect(tensor.to(.float64).doubles() == Self.values)
  }

  @Test(arguments: [("I64", DType.int64), ("I32", .int32), ("I16", .int16), ("I8", .int8)])
  func `whole numbers written by Python are read`(key: String, dtype: DType) throws {
    let tensor = try SafetensorsFile(path: fixture("safetensors/types.safetensors")).tensor(key)
    #expect(tensor.dtype == dtype)
    #expect(tensor.ints() == Self.whole)
  }

  @Test func `bytes, booleans, scalars, empty tensors and odd names are read`() throws {
    let file = try SafetensorsFile(path: fixture("safetensors/types.safetensors"))
    #expect(try file.tensor("U8").ints() == Self.whole.map(abs))
    #expect(try file.tensor("BOOL").bools() == Self.whole.map { $0 > 0 })
    #expect(try file.tensor("scalar").shape == [])
    #expect(try file.tensor("scalar").item() == 1.5)
    #expect(try file.tensor("empty").shape == [0, 3])
    #expect(try file.tensor("quoted \"name\"\\\nü").ints() == [7])
    #expect(file.metadata == ["note": "tab\t, \"quotes\" and 你好"])
    #expect(file.keys.count == 15)
  }

  @Test func `a written file equals Python's byte for byte`() throws {
    let source = fixture("safetensors/types.safetensors")
    let file = try SafetensorsFile(path: source)
    try withTemporaryFolder { folder in
      let path = "\(folder)/types.safetensors"
      let tensors = file.tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      try Safetensors.write(tensors, metadata: file.metadata, to: path)
      let written = try Data(contentsOf: URL(filePath: path))
      #expect(try written == Data(contentsOf: URL(filePath: source)))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["types.safetensors"])
    }
  }

  @Test func `writing in place changes neither the file nor another reading of it`() throws {
    let path = fixture("safetensors/types.safetensors")
    let tensor = try SafetensorsFile(path: path).tensor("F32")
    withoutGradient { tensor.fill_(9) }
    #expect(tensor.floats() == [Float](repeating: 9, count: 6))
    #expect(try SafetensorsFile(path: path).tensor("F32").doubles() == Self.values)
  }

  @Test func `a tensor stays valid after its file object is released`() throws {
    func open() throws -> Tensor {
      try SafetensorsFile(path: fixture("safetensors/types.safetensors")).tensor("I64")
    }
    #expect(try open().transposed(0, 1).contiguous().ints() == [-2, 3, 0, 100, 1, -7])
  }

  @Test func `tensors that are not aligned are read`() throws {
    try withTemporaryFolder { folder in
      let json =
        #"{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},"#
        + #""b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}"#
      let path = try write(json, data: [1, 0, 0, 0x80, 0x3F], to: folder)
      let file = try SafetensorsFile(path: path)
      #expect(try file.tensor("b").floats() == [1])
      #expect(try file.tensor("a").bools() == [true])
    }
  }

  @Test func `non-contiguous tensors are stored row by row`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/t.safetensors"
      let tensor = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3]).transposed(0, 1)
      try Safetensors.write([("t", tensor)], to: path)
      let read = try SafetensorsFile(path: path).tensor("t")
      #expect(read.shape == [3, 2])
      #expect(read.floats() == [1, 4, 2, 5, 3, 6])
    }
  }
}

/// Writes a file with this header and data, and returns its path.
func write(_ json: String, data: [UInt8], to folder: String) throws -> String {
  let path = "\(folder)/made.safetensors"
  let length = withUnsafeBytes(of: UInt64(json.utf8.count).littleEndian, Array.init)
  try Data(length + Array(json.utf8) + data).write(to: URL(filePath: path))
  return path
}
