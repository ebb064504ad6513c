import TestSupport
import Testing
import Torch
import Training

@Suite struct LatentsFileTests {
  @Test func `written latents are read back unchanged`() throws {
    try withTemporaryFolder { folder in
      let latents = Tensor.randn([2, 4, 8, 8], generator: Generator(seed: 1))
      try LatentsFile.write(latents, to: "\(folder)/l.safetensors")
      let read = try LatentsFile.read("\(folder)/l.safetensors", shape: [2, 4, 8, 8])
      #expect(read.floats() == latents.floats())
    }
  }

  @Test func `latents of another shape are refused with both shapes`() throws {
    try withTemporaryFolder { folder in
      try LatentsFile.write(Tensor.zeros([1, 4, 8, 8]), to: "\(folder)/l.safetensors")
      let error = #expect(throws: LatentsFileError.self) {
        try LatentsFile.read("\(folder)/l.safetensors", shape: [2, 4, 8, 8])
      }
      #expect(error?.description.contains("[1, 4, 8, 8]") == true)
      #expect(error?.description.contains("[2, 4, 8, 8]") == true)
    }
  }
}
