extension Tensor {
  /// One entry of `shape` may be -1: it is inferred from the others.
  public func reshaped(_ shape: [Int]) -> Tensor { Operator.reshape(.tensor(self), .ints(shape)) }
  /// The same bytes as elements of `dtype`; the last dimension changes with the elements' size.
  package func viewed(as dtype: DType) -> Tensor {
    Operator.viewDType(.tensor(self), .dtype(dtype))
  }
  public func permuted(_ dimensions: [Int]) -> Tensor {
    Operator.permute(.tensor(self), .ints(dimensions))
  }
  public func transposed(_ first: Int, _ second: Int) -> Tensor {
    Operator.transpose(.tensor(self), .int(first), .int(second))
  }
  /// Joins the dimensions `start ... end` into one.
  public func flattened(from start: Int = 0, to end: Int = -1) -> Tensor {
    Operator.flatten(.tensor(self), .int(start), .int(end))
  }
  public func unsqueezed(_ dimension: Int) -> Tensor {
    Operator.unsqueeze(.tensor(self), .int(dimension))
  }
  public func squeezed(_ dimension: Int) -> Tensor {
    Operator.squeeze(.tensor(self), .int(dimension))
  }
  /// Repeats dimensions of size 1 without copying; -1 keeps a dimension.
  public func expanded(_ shape: [Int]) -> Tensor {
    Operator.expand(.tensor(self), .ints(shape), false)
  }
  public func narrowed(dim: Int, start: Int, length: Int) -> Tensor {
    Operator.narrow(.tensor(self), .int(dim), .int(start), .int(length))
  }
  public func narrowed(dim: Int, _ range: Range<Int>) -> Tensor {
    narrowed(dim: dim, start: range.lowerBound, length: range.count)
  }
  /// One slice, without the dimension.
  public func selected(dim: Int, index: Int) -> Tensor {
    Operator.select(.tensor(self), .int(dim), .int(index))
  }
  /// The slices at `indices` (int64), in that order.
  public func indexSelect(dim: Int, _ indices: Tensor) -> Tensor {
    Operator.indexSelect(.tensor(self), .int(dim), .tensor(indices))
  }
  /// At most `count` parts of equal size along `dim`.
  public func chunked(_ count: Int, dim: Int) -> [Tensor] {
    Operator.chunk.list(capacity: count, .tensor(self), .int(count), .int(dim))
  }
  public func split(sizes: [Int], dim: Int) -> [Tensor] {
    Operator.splitWithSizes.list(
      capacity: sizes.count, .tensor(self), .ints(sizes), .int(dim))
  }
  /// The slices along `dim`, each without it.
  public func unbound(dim: Int = 0) -> [Tensor] {
    Operator.unbind.list(capacity: shape[dim], .tensor(self), .int(dim))
  }
  /// Each slice along `dim` `count` times in a row.
  public func repeatInterleaved(_ count: Int, dim: Int) -> Tensor {
    Operator.repeatInterleave(.tensor(self), .int(count), .int(dim), nil)
  }
  /// The whole tensor `counts[d]` times along each dimension.
  public func repeated(_ counts: [Int]) -> Tensor { Operator.repeat(.tensor(self), .ints(counts)) }
  public func rolled(_ shifts: [Int], dims: [Int]) -> Tensor {
    Operator.roll(.tensor(self), .ints(shifts), .ints(dims))
  }

  /// Adds `value` around the last dimensions: `[left, right, top, bottom, …]`, innermost first.
  public func padded(_ padding: [Int], value: Double = 0) -> Tensor {
    Operator.pad(.tensor(self), .ints(padding), .string("constant"), .double(value))
  }

  public static func cat(_ tensors: [Tensor], dim: Int) -> Tensor {
    Operator.cat(.tensors(tensors), .int(dim))
  }
  public static func stack(_ tensors: [Tensor], dim: Int) -> Tensor {
    Operator.stack(.tensors(tensors), .int(dim))
  }
}
