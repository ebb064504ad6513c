extension Tensor {
  // An integer tensor keeps its type when the number is whole.
  func number(_ value: Double) -> Operator.Argument {
    if let whole = Int(exactly: value), !dtype.isFloatingPoint { return .int(whole) }
    return .double(value)
  }

  public static func + (lhs: Tensor, rhs: Tensor) -> Tensor {
    Operator.add(.tensor(lhs), .tensor(rhs), 1)
  }
  public static func + (lhs: Tensor, rhs: Double) -> Tensor {
    Operator.addScalar(.tensor(lhs), lhs.number(rhs), 1)
  }
  public static func + (lhs: Double, rhs: Tensor) -> Tensor { rhs + lhs }

  public static func - (lhs: Tensor, rhs: Tensor) -> Tensor {
    Operator.subtract(.tensor(lhs), .tensor(rhs), 1)
  }
  public static func - (lhs: Tensor, rhs: Double) -> Tensor {
    Operator.subtractScalar(.tensor(lhs), lhs.number(rhs), 1)
  }
  public static func - (lhs: Double, rhs: Tensor) -> Tensor {
    Operator.subtractFromScalar(.tensor(rhs), rhs.number(lhs), 1)
  }

  public static func * (lhs: Tensor, rhs: Tensor) -> Tensor {
    Operator.multiply(.tensor(lhs), .tensor(rhs))
  }
  public static func * (lhs: Tensor, rhs: Double) -> Tensor {
    Operator.multiplyScalar(.tensor(lhs), lhs.number(rhs))
  }
  public static func * (lhs: Double, rhs: Tensor) -> Tensor { rhs * lhs }

  public static func / (lhs: Tensor, rhs: Tensor) -> Tensor {
    Operator.divide(.tensor(lhs), .tensor(rhs))
  }
  public static func / (lhs: Tensor, rhs: Double) -> Tensor {
    Operator.divideScalar(.tensor(lhs), lhs.number(rhs))
  }
  public static func / (lhs: Double, rhs: Tensor) -> Tensor { rhs.reciprocal() * lhs }

  public static prefix func - (operand: Tensor) -> Tensor { Operator.negate(.tensor(operand)) }

  public func squared() -> Tensor { Operator.square(.tensor(self)) }
  public func sqrt() -> Tensor { Operator.sqrt(.tensor(self)) }
  public func rsqrt() -> Tensor { Operator.rsqrt(.tensor(self)) }
  public func exp() -> Tensor { Operator.exp(.tensor(self)) }
  public func log() -> Tensor { Operator.log(.tensor(self)) }
  public func sin() -> Tensor { Operator.sin(.tensor(self)) }
  public func cos() -> Tensor { Operator.cos(.tensor(self)) }
  public func abs() -> Tensor { Operator.abs(.tensor(self)) }
  public func tanh() -> Tensor { Operator.tanh(.tensor(self)) }
  public func sigmoid() -> Tensor { Operator.sigmoid(.tensor(self)) }
  public func reciprocal() -> Tensor { Operator.reciprocal(.tensor(self)) }
  /// To the nearest integer, halves to even.
  public func rounded() -> Tensor { Operator.round(.tensor(self)) }
  public func pow(_ exponent: Double) -> Tensor { Operator.pow(.tensor(self), number(exponent)) }

  /// `base` to the power of each element.
  public static func pow(_ base: Double, _ exponents: Tensor) -> Tensor {
    Operator.powOfScalar(.double(base), .tensor(exponents))
  }

  /// Limits the elements to `lower ... upper`; nil leaves that side open.
  public func clamped(_ lower: Double?, _ upper: Double?) -> Tensor {
    Operator.clamp(.tensor(self), .optional(lower), .optional(upper))
  }
  /// The larger of each pair of elements.
  public func maximum(_ other: Tensor) -> Tensor { Operator.maximum(.tensor(self), .tensor(other)) }
  /// `self + weight (end - self)`
  public func lerp(_ end: Tensor, weight: Double) -> Tensor {
    Operator.lerpScalar(.tensor(self), .tensor(end), .double(weight))
  }
  /// `self + scale · a · b` in one pass.
  public func addingProduct(_ a: Tensor, _ b: Tensor, scale: Double = 1) -> Tensor {
    Operator.addcmul(.tensor(self), .tensor(a), .tensor(b), number(scale))
  }
  /// `self + scale · other` in one pass.
  public func adding(_ other: Tensor, scale: Double) -> Tensor {
    Operator.add(.tensor(self), .tensor(other), number(scale))
  }
}

extension Tensor {
  public func isLess(than other: Tensor) -> Tensor { Operator.less(.tensor(self), .tensor(other)) }
  public func isLess(than value: Double) -> Tensor {
    Operator.lessScalar(.tensor(self), number(value))
  }
  public func isGreater(than other: Tensor) -> Tensor {
    Operator.greater(.tensor(self), .tensor(other))
  }
  public func isGreater(than value: Double) -> Tensor {
    Operator.greaterScalar(.tensor(self), number(value))
  }
  public func isEqual(to other: Tensor) -> Tensor { Operator.equal(.tensor(self), .tensor(other)) }
  public func isEqual(to value: Double) -> Tensor {
    Operator.equalScalar(.tensor(self), number(value))
  }
  /// Whether each element is finite: neither infinity nor NaN.
  public func isFinite() -> Tensor { Operator.isFinite(.tensor(self)) }

  /// Elements of `first` where `condition` holds, of `second` elsewhere.
  public static func `where`(_ condition: Tensor, _ first: Tensor, _ second: Tensor) -> Tensor {
    Operator.selectWhere(.tensor(condition), .tensor(first), .tensor(second))
  }
}
