import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

private func expectPredicted(_ dtype: DType) throws {
  prepareForMeasurement()
  var configuration = AutoencoderKLQwenImageConfiguration()
  configuration.baseDim = 32
  let store = ParameterStore(.random(Generator(seed: 1)), dtype: dtype)
  let model = try AutoencoderKLQwenImage(configuration, store.root)
  let predicted = configuration.decodingBytes(
    height: 64, width: 48, elementBytes: dtype.byteCount)
  let measured = try addedMemory {
    withoutGradient { _ = model.decode(Tensor.zeros([1, 16, 64, 48], dtype: dtype)) }
  }
  let error = Double(predicted) / Double(measured) - 1
  #expect(abs(error) < 0.15, "\(measured) bytes, predicted \(predicted)")
}

#if os(Linux)
  @Suite(.serialized) struct AutoencoderKLQwenImageMemoryTests {
    @Test func `the memory of decoding in float32 is predicted`() async {
      await #expect(processExitsWith: .success) { try expectPredicted(.float32) }
    }

    @Test(
      .enabled(
        if: convolvesInPlace(.bfloat16),
        "libtorch unfolds images for convolutions in bfloat16 on this processor"))
    func `the memory of decoding in bfloat16 is predicted`() async {
      await #expect(processExitsWith: .success) { try expectPredicted(.bfloat16) }
    }
  }
#endif
