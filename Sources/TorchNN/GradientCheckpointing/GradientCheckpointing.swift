public import Torch

/// Computes the intermediate values of a chain of blocks again for the backward pass, block by
/// block, instead of keeping them (arXiv 1604.06174).
///
/// Every block leaves its inputs and outputs; what lies between is let go as soon as the block has
/// run. The record of a block's operators ends at its outputs, so the backward pass of what follows
/// stops there, and `backward()` takes it up again:
///
///     let tape = GradientCheckpointing()
///     var x = tape.cut([embedding(input)])
///     for block in blocks { x = tape.run(x) { [block($0[0])] } }
///     head(x[0]).backward(gradient: gradient)
///     tape.backward()
///
/// A second forward pass is the price. The gradients are those of an unbroken record: the same
/// operators run on the same values. Blocks behind which nothing learns are not run again.
///
/// What a block reads beside its inputs (weights, whether adapters are on) must not change until
/// `backward()`, and a tape without a `backward()` keeps its blocks' inputs.
public final class GradientCheckpointing {
  private var pullbacks: [() -> Void] = []

  public init() {}

  /// Ends the record of `tensors`, which keep theirs for `backward()`.
  public func cut(_ tensors: [Tensor]) -> [Tensor] {
    let leaves = tensors.map(leaf)
    append(leaves) { Self.pass(to: tensors, from: leaves) }
    return leaves
  }

  /// The outputs of `block`, which is run a second time by `backward()`.
  ///
  /// - Parameter inputs: what `cut` or `run` returned, and tensors that receive no gradient.
  public func run(_ inputs: [Tensor], _ block: @escaping ([Tensor]) -> [Tensor]) -> [Tensor] {
    // Recorded for a moment: the outputs tell whether anything behind them learns.
    let leaves = withGradient { block(inputs) }.map(leaf)
    append(leaves) { Self.pass(to: withGradient { block(inputs) }, from: leaves) }
    return leaves
  }

  /// Continues a backward pass that has reached the last outputs: adds the gradients of
  /// everything before them that learns. The tape is empty afterwards.
  public func backward() {
    while let pullback = pullbacks.popLast() { pullback() }
  }

  private func append(_ leaves: [Tensor], _ pullback: @escaping () -> Void) {
    if leaves.contains(where: \.requiresGradient) { pullbacks.append(pullback) }
  }

  /// The values of `tensor` with no record behind them, and a gradient of its own if it has one.
  private func leaf(_ tensor: Tensor) -> Tensor {
    let leaf = tensor.detached()
    leaf.requiresGradient = tensor.requiresGradient
    return leaf
  }

  private static func pass(to outputs: [Tensor], from leaves: [Tensor]) {
    let reached = zip(outputs, leaves).compactMap { output, leaf in
      output.requiresGradient ? leaf.gradient.map { (output, $0) } : nil
    }
    Tensor.backward(reached.map(\.0), gradients: reached.map(\.1))
  }
}
