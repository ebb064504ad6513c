/// Operators that write into their receiver. Autograd records them as libtorch does: use them on
/// tensors outside a graph, or inside `withoutGradient`.
extension Tensor {
  /// `self += scale · other`
  public func add_(_ other: Tensor, scale: Double = 1) {
    Operator.addInPlace.run(.tensor(self), .tensor(other), number(scale))
  }
  public func mul_(_ other: Tensor) { Operator.multiplyInPlace.run(.tensor(self), .tensor(other)) }
  public func mul_(_ value: Double) {
    Operator.multiplyScalarInPlace.run(.tensor(self), .double(value))
  }
  /// Copies the elements, converting type and device.
  ///
  /// - Parameter nonBlocking: whether a copy from pinned host memory to a GPU is only queued.
  public func copy_(_ source: Tensor, nonBlocking: Bool = false) {
    Operator.copyInPlace.run(.tensor(self), .tensor(source), .bool(nonBlocking))
  }
  public func fill_(_ value: Double) { Operator.fillInPlace.run(.tensor(self), .double(value)) }
  /// `self += a b`, a matrix product. `[N, M]`: `[N, R]`, `[R, M]`
  public func addmm_(_ a: Tensor, _ b: Tensor) {
    Operator.addmmInPlace.run(.tensor(self), .tensor(a), .tensor(b), .double(1), .double(1))
  }
  /// `self += scale · a · b`
  public func addcmul_(_ a: Tensor, _ b: Tensor, scale: Double = 1) {
    Operator.addcmulInPlace.run(.tensor(self), .tensor(a), .tensor(b), .double(scale))
  }
  /// `self += scale · a / b`
  public func addcdiv_(_ a: Tensor, _ b: Tensor, scale: Double = 1) {
    Operator.addcdivInPlace.run(.tensor(self), .tensor(a), .tensor(b), .double(scale))
  }
  /// `self += weight (end - self)`
  public func lerp_(_ end: Tensor, weight: Double) {
    Operator.lerpInPlace.run(.tensor(self), .tensor(end), .double(weight))
  }
  public func silu_() { Operator.siluInPlace.run(.tensor(self)) }
  public func sqrt_() { Operator.sqrtInPlace.run(.tensor(self)) }
  public func clamp_(_ lower: Double?, _ upper: Double?) {
    Operator.clampInPlace.run(.tensor(self), .optional(lower), .optional(upper))
  }
  /// Fills with draws from the normal distribution.
  public func normal_(mean: Double = 0, std: Double = 1, generator: Generator) {
    Operator.normalInPlace.run(
      .tensor(self), .double(mean), .double(std), .generator(generator))
  }
}
