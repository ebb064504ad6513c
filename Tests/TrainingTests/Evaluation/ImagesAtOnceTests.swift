import DiffusionModels
import TestSupport
import Testing
import Torch
import Training

@Suite struct ImagesAtOnceTests {
  /// A network of 2 GB in bfloat16, whose rows take 50 MB and whose images 1.5 GB to decode.
  private let model: FlowModelMetadata

  init() throws {
    let network = NetworkSize(parameters: 900_000_000, used: 900_000_000, stored: .bfloat16)
    let autoencoder = NetworkSize(parameters: 100_000_000, used: 100_000_000, stored: .bfloat16)
    model = FlowModelMetadata(
      geometry: try ImageGeometry(nil, defaultSide: 128, factor: 8, patch: 2, path: "model"),
      latentShape: [16, 128, 128],
      sizes: NetworkSizes(transformer: network, autoencoder: autoencoder, textEncoders: []),
      trainableParameters: 0, promptElements: 0, cachedPromptElements: 0,
      work: NetworkWork(forward: 1, training: 3),
      activations: {
        ActivationMemory(
          evaluation: 25_000_000 * $0, kept: 0, keptWithCheckpointing: 0, backward: 0)
      },
      decodingBytes: { elementBytes, _ in 750_000_000 * elementBytes }, largestDecoded: 1)
  }

  private func fitting(
    _ gigabytes: Double?, rows: Int = 2, _ placement: Placement
  ) -> ImagesAtOnce {
    ImagesAtOnce(
      model, placement, rows: rows, most: 128, memory: gigabytes.map { Int($0 * 1e9) })
  }

  @Test func `as many images are decoded at once as fit beside the weights`() {
    let gpu = Placement(device: .cuda(0), dtype: .bfloat16)
    // 0.85 of 80 GB, less 2 GB of weights and 0.8 of the program, in pieces of 1.5 GB.
    #expect(fitting(80, gpu).decoded == 43)
    #expect(fitting(80, gpu).sampled == 128)
    // 0.85 of 6 GB leave 2.2 GB.
    #expect(fitting(6, gpu).decoded == 1)
    #expect(fitting(6, gpu).sampled == 22)
    #expect(fitting(6, rows: 1, gpu).sampled == 45)
  }

  @Test func `one image is tried where none fits, and all where the memory is unknown`() {
    let gpu = Placement(device: .cuda(0), dtype: .bfloat16)
    #expect(fitting(2, gpu) == fitting(1, gpu) && fitting(2, gpu).decoded == 1)
    #expect(fitting(nil, gpu).decoded == 128 && fitting(nil, gpu).sampled == 128)
  }

  @Test func `no activation of decoding has 2^31 elements`() {
    let gpu = Placement(device: .cuda(0), dtype: .bfloat16)
    var large = model
    large.largestDecoded = 1 << 26
    let fitting = { (model: FlowModelMetadata) in
      ImagesAtOnce(model, gpu, rows: 1, most: 128, memory: nil).decoded
    }
    #expect(fitting(large) == 31)
    large.largestDecoded = 1 << 31
    #expect(fitting(large) == 1)
  }

  @Test func `precision is the option's, or the files'`() {
    func decoded(_ dtype: DType?) -> Int {
      fitting(80, Placement(device: .cuda(0), dtype: dtype)).decoded
    }
    #expect(decoded(nil) == decoded(.bfloat16))
    // Twice the bytes of an image, in what 4 GB of weights leave.
    #expect(decoded(.float32) == 21)
  }
}
