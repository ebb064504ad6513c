extension Tensor {
  public func sum() -> Tensor { Operator.sum(.tensor(self), nil) }
  public func sum(dims: [Int], keepDim: Bool = false) -> Tensor {
    Operator.sumDimensions(.tensor(self), .ints(dims), .bool(keepDim), nil)
  }
  public func mean() -> Tensor { Operator.mean(.tensor(self), nil) }
  public func mean(dims: [Int], keepDim: Bool = false) -> Tensor {
    Operator.meanDimensions(.tensor(self), .ints(dims), .bool(keepDim), nil)
  }
  /// The largest element; over all dimensions when `dims` is empty.
  public func amax(dims: [Int] = [], keepDim: Bool = false) -> Tensor {
    Operator.amax(.tensor(self), .ints(dims), .bool(keepDim))
  }
  /// The smallest element; over all dimensions when `dims` is empty.
  public func amin(dims: [Int] = [], keepDim: Bool = false) -> Tensor {
    Operator.amin(.tensor(self), .ints(dims), .bool(keepDim))
  }
  /// The Euclidean norm of all elements.
  public func norm() -> Tensor { Operator.vectorNorm(.tensor(self), 2, nil, false, nil) }
  /// The Euclidean norm over `dims`, computed and returned as `dtype`; nil keeps the type.
  public func norm(dims: [Int], keepDim: Bool = false, dtype: DType? = nil) -> Tensor {
    Operator.vectorNorm(
      .tensor(self), 2, .ints(dims), .bool(keepDim), dtype.map(Operator.Argument.dtype) ?? nil)
  }
  public func all() -> Tensor { Operator.all(.tensor(self)) }
  public func any() -> Tensor { Operator.any(.tensor(self)) }
}
