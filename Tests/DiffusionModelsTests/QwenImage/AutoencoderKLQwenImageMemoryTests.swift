import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

/// The latent of an image decoded, or the image encoded.
private func autoencoding(
  _ dtype: DType, encodes: Bool
) throws -> (measured: Int, predicted: Int) {
  prepareForMeasurement()
  var configuration = AutoencoderKLQwenImageConfiguration()
  configuration.baseDim = 32
  let store = ParameterStore(.random(Generator(seed: 1)), dtype: dtype)
  let model = try AutoencoderKLQwenImage(configuration, store.root)
  let predicted =
    encodes
    ? configuration.encodingBytes(height: 512, width: 384, elementBytes: dtype.byteCount)
    : configuration.decodingBytes(height: 64, width: 48, elementBytes: dtype.byteCount)
  let measured = try addedMemory {
    withoutGradient {
      if encodes {
        _ = model.encode(Tensor.zeros([1, 3, 512, 384], dtype: dtype)).mean
      } else {
        _ = model.decode(Tensor.zeros([1, 16, 64, 48], dtype: dtype))
      }
    }
  }
  return (measured, predicted)
}

private func expectPredicted(_ dtype: DType) throws {
  for encodes in [false, true] {
    let (measured, predicted) = try autoencoding(dtype, encodes: encodes)
    let error = Double(predicted) / Double(measured) - 1
    #expect(
      abs(error) < 0.15, "encodes \(encodes): \(measured) bytes, predicted \(predicted)")
  }
}

#if os(Linux)
  @Suite(.serialized) struct AutoencoderKLQwenImageMemoryTests {
    @Test func `the memory of decoding and encoding in float32 is predicted`() async {
      await #expect(processExitsWith: .success) { try expectPredicted(.float32) }
    }

    @Test(
      .enabled(
        if: convolvesInPlace(.bfloat16),
        "libtorch unfolds images for convolutions in bfloat16 on this processor"))
    func `the memory of decoding and encoding in bfloat16 is predicted`() async {
      await #expect(processExitsWith: .success) { try expectPredicted(.bfloat16) }
    }
  }
#endif
