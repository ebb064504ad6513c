public import Torch

/// Recomputes the intermediate values of a chain of blocks in the backward pass, block by block,
/// instead of keeping them (arXiv 1604.06174).
///
/// Each block's inputs and outputs are kept; its intermediate values are freed as soon as it has
/// run. The graph of a block ends at its outputs, so the backward pass of later operators stops
/// there, and `backward()` continues it:
///
///     let checkpointing = GradientCheckpointing()
///     var x = checkpointing.cut([embedding(input)])
///     for block in blocks { x = checkpointing.run(x) { [block($0[0])] } }
///     head(x[0]).backward(gradient: gradient)
///     checkpointing.backward()
///
/// The price is a second forward pass. The gradients equal those of one unbroken graph: the same
/// operators run on the same values. A block without trainable parameters in it or before it is not
/// run again.
///
/// A block's other inputs (weights, whether adapters are on) must not change until `backward()`.
/// Without a call of `backward()`, the inputs of all blocks stay in memory.
public final class GradientCheckpointing {
  private var pullbacks: [() -> Void] = []

  public init() {}

  /// Detaches `tensors` from their graph, which is kept for `backward()`.
  public func cut(_ tensors: [Tensor]) -> [Tensor] {
    let leaves = tensors.map(leaf)
    append(leaves) { Self.pass(to: tensors, from: leaves) }
    return leaves
  }

  /// The outputs of `block`, which is run a second time by `backward()`.
  ///
  /// - Parameter inputs: results of `cut` or `run`, and tensors that receive no gradient.
  public func run(_ inputs: [Tensor], _ block: @escaping ([Tensor]) -> [Tensor]) -> [Tensor] {
    // Recording shows whether the outputs require a gradient; the graph is dropped at once.
    let leaves = withGradient { block(inputs) }.map(leaf)
    append(leaves) { Self.pass(to: withGradient { block(inputs) }, from: leaves) }
    return leaves
  }

  /// Continues a backward pass that has reached the last outputs: accumulates the gradients of all
  /// leaves before them. Nothing is kept after the call.
  public func backward() {
    while let pullback = pullbacks.popLast() { pullback() }
  }

  private func append(_ leaves: [Tensor], _ pullback: @escaping () -> Void) {
    if leaves.contains(where: \.requiresGradient) { pullbacks.append(pullback) }
  }

  /// The values of `tensor` without its graph; requires a gradient if `tensor` does.
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
