import DiffusionModels
import Synchronization
import Testing
import Torch
import TorchNN

/// Counts the fused blocks and their calls.
private final class Counts: Sendable {
  let fused = Mutex(0)
  let calls = Mutex(0)
}

/// Returns its inputs.
private struct IdentityBlock: FusedJointBlock {
  let counts: Counts
  let isAccepting: Bool
  let isLast: Bool

  func accepts(_ first: Tensor, _ second: Tensor) -> Bool { isAccepting }

  func callAsFunction(
    _ first: Tensor, _ second: Tensor, conditioning: Tensor, keyBias: Tensor?
  ) -> (first: Tensor, second: Tensor?) {
    counts.calls.withLock { $0 += 1 }
    return (first, isLast ? nil : second)
  }
}

@Suite(.serialized) struct FusedJointBlockTests {
  /// Counts of a network of three blocks, the first with a second attention, and its velocity.
  private func evaluated(accepting: Bool) throws -> (counts: Counts, velocity: [Float]) {
    var configuration = SD3TransformerConfiguration()
    configuration.sampleSize = 4
    configuration.numLayers = 3
    configuration.attentionHeadDim = 16
    configuration.numAttentionHeads = 2
    configuration.jointAttentionDim = 16
    configuration.captionProjectionDim = 32
    configuration.pooledProjectionDim = 16
    configuration.posEmbedMaxSize = 4
    configuration.dualAttentionLayers = [0]
    let counts = Counts()
    let before = JointBlockLayers.fusion
    defer { JointBlockLayers.fusion = before }
    JointBlockLayers.fusion = { layers in
      counts.fused.withLock { $0 += 1 }
      return IdentityBlock(
        counts: counts, isAccepting: accepting, isLast: layers.second.output == nil)
    }
    let store = ParameterStore(.random(Generator(seed: 1)))
    let network = try SD3Transformer2DModel(configuration, store.root)
    func normal(_ shape: [Int], _ seed: UInt64) -> Tensor {
      Tensor.randn(shape, generator: Generator(seed: seed))
    }
    let velocity = withoutGradient {
      network(
        normal([2, 16, 4, 4], 2), timestep: Tensor([100, 700] as [Float], shape: [2]),
        embeddings: SD3Conditioning(
          rows: normal([2, 3, 16], 3), pooled: normal([2, 16], 4), zeroRowCount: 0))
    }
    return (counts, velocity.floats())
  }

  @Test func `blocks with one attention are computed by the fused block that accepts the tokens`()
    throws
  {
    let (counts, fused) = try evaluated(accepting: true)
    #expect(counts.fused.withLock { $0 } == 2)
    #expect(counts.calls.withLock { $0 } == 2)
    let (refused, operators) = try evaluated(accepting: false)
    #expect(refused.fused.withLock { $0 } == 2)
    #expect(refused.calls.withLock { $0 } == 0)
    #expect(fused != operators)
  }
}
