import Foundation
import Testing
import Torch
import TorchNN

/// Notes the blocks that were entered.
private final class Entries: WeightResidency {
  private(set) var blocks: [Int] = []
  let blockCount: Int? = nil
  func enter(_ index: Int) { blocks.append(index) }
}

@Suite struct BlockLoopTests {
  /// Two blocks `x -> tanh(w_i x + s)`, and the gradients of their sum with respect to weights and
  /// shared input.
  private func run(
    checkpointing: GradientCheckpointing?
  ) throws -> (output: [Float], gradients: [[Float]], entries: [Int]) {
    let weights = [0.5, -1.5].map { value in
      let weight = Tensor([Float(value)], shape: [1])
      weight.requiresGradient = true
      return weight
    }
    let shift = Tensor([Float(0.25)], shape: [1])
    shift.requiresGradient = true
    let entries = Entries()
    let (state, shared) = BlockLoop(residency: entries)(
      [Tensor([1, 2] as [Float], shape: [2])], shared: [shift * 2], count: 2,
      checkpointing: checkpointing
    ) { index, state, shared in [(state[0] * weights[index] + shared[0]).tanh()] }
    // What follows the blocks uses the shared input, too.
    let output = state[0] + shared[0]
    output.sum().backward()
    checkpointing?.backward()
    return (
      output.floats(), try (weights + [shift]).map { try #require($0.gradient).floats() },
      entries.blocks
    )
  }

  @Test func `each block is entered before it runs, and again where it is recomputed`() throws {
    let plain = try run(checkpointing: nil)
    let recomputed = try run(checkpointing: GradientCheckpointing())
    #expect(plain.entries == [0, 1])
    #expect(recomputed.entries == [0, 1, 1, 0])
    #expect(plain.output == recomputed.output)
    #expect(plain.gradients == recomputed.gradients)
    let expected = [1.0, 2.0].map { x in
      tanh(tanh(x * 0.5 + 0.5) * -1.5 + 0.5) + 0.5
    }
    for (value, reference) in zip(plain.output, expected) {
      #expect(abs(Double(value) - reference) < 1e-6)
    }
  }

  @Test func `without gradients nothing is recomputed`() {
    let entries = Entries()
    let checkpointing = GradientCheckpointing()
    let (state, _) = withoutGradient {
      BlockLoop(residency: entries)(
        [Tensor([1] as [Float], shape: [1])], shared: [], count: 3, checkpointing: checkpointing
      ) { index, state, _ in [state[0] + Double(index)] }
    }
    checkpointing.backward()
    #expect(state[0].floats() == [4] && entries.blocks == [0, 1, 2])
  }
}
