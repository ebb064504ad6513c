internal import CTorch

/// Every libtorch operator that this package calls, by its schema name.
///
/// The whole table is resolved at the first call; an entry that libtorch lacks stops the process
/// with a message that names it. The typed wrappers are in `Tensor+*.swift`, by family.
package enum Operator: String, CaseIterable {
  // Creation
  case empty = "aten::empty.memory_format"
  case zeros = "aten::zeros"
  case ones = "aten::ones"
  case full = "aten::full"
  case arange = "aten::arange"
  case zerosLike = "aten::zeros_like"
  case emptyLike = "aten::empty_like"
  case randn = "aten::randn.generator"
  case rand = "aten::rand.generator"
  case randint = "aten::randint.low_generator"
  // Conversion
  case toDType = "aten::to.dtype"
  case toDevice = "aten::to.device"
  case contiguous = "aten::contiguous"
  case clone = "aten::clone"
  case detach = "aten::detach"
  // Arithmetic
  case add = "aten::add.Tensor"
  case addScalar = "aten::add.Scalar"
  case subtract = "aten::sub.Tensor"
  case subtractScalar = "aten::sub.Scalar"
  case subtractFromScalar = "aten::rsub.Scalar"
  case multiply = "aten::mul.Tensor"
  case multiplyScalar = "aten::mul.Scalar"
  case divide = "aten::div.Tensor"
  case divideScalar = "aten::div.Scalar"
  case negate = "aten::neg"
  case square = "aten::square"
  case sqrt = "aten::sqrt"
  case rsqrt = "aten::rsqrt"
  case exp = "aten::exp"
  case log = "aten::log"
  case sin = "aten::sin"
  case cos = "aten::cos"
  case abs = "aten::abs"
  case tanh = "aten::tanh"
  case sigmoid = "aten::sigmoid"
  case reciprocal = "aten::reciprocal"
  case pow = "aten::pow.Tensor_Scalar"
  case powOfScalar = "aten::pow.Scalar"
  case clamp = "aten::clamp"
  case maximum = "aten::maximum"
  case round = "aten::round"
  case lerpScalar = "aten::lerp.Scalar"
  case addcmul = "aten::addcmul"
  // Comparison
  case less = "aten::lt.Tensor"
  case lessScalar = "aten::lt.Scalar"
  case greater = "aten::gt.Tensor"
  case greaterScalar = "aten::gt.Scalar"
  case equal = "aten::eq.Tensor"
  case equalScalar = "aten::eq.Scalar"
  case isFinite = "aten::isfinite"
  case selectWhere = "aten::where.self"
  // Shape
  case reshape = "aten::reshape"
  case viewDType = "aten::view.dtype"
  case permute = "aten::permute"
  case transpose = "aten::transpose.int"
  case flatten = "aten::flatten.using_ints"
  case unsqueeze = "aten::unsqueeze"
  case squeeze = "aten::squeeze.dim"
  case expand = "aten::expand"
  case narrow = "aten::narrow"
  case select = "aten::select.int"
  case indexSelect = "aten::index_select"
  case chunk = "aten::chunk"
  case splitWithSizes = "aten::split_with_sizes"
  case unbind = "aten::unbind.int"
  case repeatInterleave = "aten::repeat_interleave.self_int"
  case `repeat` = "aten::repeat"
  case roll = "aten::roll"
  case cat = "aten::cat"
  case stack = "aten::stack"
  case pad = "aten::pad"
  // Reduction
  case sum = "aten::sum"
  case sumDimensions = "aten::sum.dim_IntList"
  case mean = "aten::mean"
  case meanDimensions = "aten::mean.dim"
  case amax = "aten::amax"
  case amin = "aten::amin"
  case vectorNorm = "aten::linalg_vector_norm"
  case all = "aten::all"
  case any = "aten::any"
  // Networks
  case linear = "aten::linear"
  case matmul = "aten::matmul"
  case conv2d = "aten::conv2d"
  case conv3d = "aten::conv3d"
  case layerNorm = "aten::layer_norm"
  case groupNorm = "aten::group_norm"
  case rmsNorm = "aten::rms_norm"
  case silu = "aten::silu"
  case gelu = "aten::gelu"
  case relu = "aten::relu"
  case softmax = "aten::softmax.int"
  case embedding = "aten::embedding"
  case attention = "aten::scaled_dot_product_attention"
  case upsampleNearest = "aten::upsample_nearest2d.vec"
  // In place
  case addInPlace = "aten::add_.Tensor"
  case addmmInPlace = "aten::addmm_"
  case multiplyInPlace = "aten::mul_.Tensor"
  case multiplyScalarInPlace = "aten::mul_.Scalar"
  case copyInPlace = "aten::copy_"
  case fillInPlace = "aten::fill_.Scalar"
  case addcmulInPlace = "aten::addcmul_"
  case addcdivInPlace = "aten::addcdiv_"
  case lerpInPlace = "aten::lerp_.Scalar"
  case siluInPlace = "aten::silu_"
  case sqrtInPlace = "aten::sqrt_"
  case clampInPlace = "aten::clamp_"
  case normalInPlace = "aten::normal_"
  // Lists of tensors
  case foreachNorm = "aten::_foreach_norm.Scalar"
  case foreachMultiplyInPlace = "aten::_foreach_mul_.Tensor"
  case foreachMultiplyScalarInPlace = "aten::_foreach_mul_.Scalar"
  case foreachAddInPlace = "aten::_foreach_add_.List"
  case foreachLerpInPlace = "aten::_foreach_lerp_.Scalar"
  case foreachCopyInPlace = "aten::_foreach_copy_"
  case foreachZeroInPlace = "aten::_foreach_zero_"
  case fusedAdamWInPlace = "aten::_fused_adamw_"

  /// Whether libtorch has the schema; if it does not, `failure` is libtorch's message.
  package static func resolves(_ entry: Operator, failure: inout String) -> Bool {
    if entry.resolved() != nil { return true }
    failure = lastErrorMessage()
    return false
  }

  private func resolved() -> OpaquePointer? {
    let parts = rawValue.split(separator: ".", maxSplits: 1)
    return ctorch_operator(String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
  }

  private nonisolated(unsafe) static let handles: [OpaquePointer] = {
    allCases.map { entry in
      guard let handle = entry.resolved() else {
        fatalError("libtorch has no operator \(entry.rawValue): \(lastErrorMessage())")
      }
      return handle
    }
  }()

  // The discriminator of a payload-free enum is its position in allCases.
  private var position: Int {
    precondition(MemoryLayout<Operator>.size == 1)
    return Int(unsafeBitCast(self, to: UInt8.self))
  }

  fileprivate var handle: OpaquePointer { Operator.handles[position] }
}

extension Operator {
  /// One argument, in the order of the schema.
  enum Argument: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    case none
    case tensor(Tensor)
    case int(Int)
    case double(Double)
    case bool(Bool)
    case string(StaticString)
    case device(Device)
    case generator(Generator)
    case ints([Int])
    case doubles([Double])
    case tensors([Tensor])

    init(nilLiteral: ()) { self = .none }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(integerLiteral value: Int) { self = .int(value) }

    static func dtype(_ dtype: DType) -> Argument { .int(Int(dtype.rawValue)) }
    static func optional(_ tensor: Tensor?) -> Argument { tensor.map(Argument.tensor) ?? .none }
    static func optional(_ value: Double?) -> Argument { value.map(Argument.double) ?? .none }
    static func optional(_ value: Int?) -> Argument { value.map(Argument.int) ?? .none }

    /// The argument for libtorch; the caller frees `list` after the call.
    fileprivate func value(list: inout UnsafeMutableRawPointer?) -> CTorchValue {
      var value = CTorchValue()
      switch self {
      case .none: value.tag = CTORCH_NONE
      case .tensor(let tensor):
        value.tag = CTORCH_TENSOR
        value.as.pointer = UnsafeMutableRawPointer(tensor.handle)
      case .int(let int):
        value.tag = CTORCH_INT
        value.as.integer = Int64(int)
      case .double(let double):
        value.tag = CTORCH_DOUBLE
        value.as.real = double
      case .bool(let bool):
        value.tag = CTORCH_BOOL
        value.as.integer = bool ? 1 : 0
      case .string(let string):
        value.tag = CTORCH_STRING
        value.as.pointer = UnsafeMutableRawPointer(mutating: string.utf8Start)
      case .device(let device):
        value.tag = CTORCH_DEVICE
        value.as.integer = Int64(device.type)
        value.count = device.index
      case .generator(let generator):
        value.tag = CTORCH_GENERATOR
        value.as.pointer = UnsafeMutableRawPointer(generator.handle)
      case .ints(let ints): value.fill(CTORCH_INTS, ints, list: &list)
      case .doubles(let doubles): value.fill(CTORCH_DOUBLES, doubles, list: &list)
      case .tensors(let tensors): value.fill(CTORCH_TENSORS, tensors.map(\.handle), list: &list)
      }
      return value
    }
  }

  /// Calls an operator with one tensor as its result.
  func callAsFunction(_ arguments: Argument...) -> Tensor {
    withUnsafeTemporaryAllocation(of: CTorchValue.self, capacity: 1) { results in
      let count = call(arguments, results: results)
      guard count == 1, results[0].tag == CTORCH_TENSOR else {
        fatalError("\(rawValue): no tensor returned")
      }
      return Tensor(owning: OpaquePointer(results[0].as.pointer))
    }
  }

  /// Calls an operator for its effect on its arguments.
  func run(_ arguments: Argument...) {
    withUnsafeTemporaryAllocation(of: CTorchValue.self, capacity: 1) { results in
      if call(arguments, results: results) == 1, results[0].tag == CTORCH_TENSOR {
        ctorch_release(OpaquePointer(results[0].as.pointer))
      }
    }
  }

  /// Calls an operator whose result is a list of at most `capacity` tensors.
  func list(capacity: Int, _ arguments: Argument...) -> [Tensor] {
    withUnsafeTemporaryAllocation(of: CTorchValue.self, capacity: max(capacity, 1)) { results in
      let count = call(arguments, results: results)
      return (0..<count).map { Tensor(owning: OpaquePointer(results[$0].as.pointer)) }
    }
  }

  private func call(
    _ arguments: [Argument], results: UnsafeMutableBufferPointer<CTorchValue>
  ) -> Int {
    let count = arguments.count
    let succeeded = withUnsafeTemporaryAllocation(of: CTorchValue.self, capacity: count) { values in
      withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: count) { lists in
        for index in 0..<count {
          lists[index] = nil
          values[index] = arguments[index].value(list: &lists[index])
        }
        defer { for list in lists { list?.deallocate() } }
        return withExtendedLifetime(arguments) {
          var resultCount: Int32 = 0
          let succeeded = ctorch_call(
            handle, values.baseAddress, Int32(count), Operator.checksSchema,
            results.baseAddress, Int32(results.count), &resultCount)
          return succeeded ? Int(resultCount) : nil
        }
      }
    }
    guard let succeeded else { failed(rawValue) }
    return succeeded
  }

  #if DEBUG
    private static let checksSchema = true
  #else
    private static let checksSchema = false
  #endif
}

extension CTorchValue {
  fileprivate mutating func fill<Element>(
    _ tag: CTorchTag, _ elements: [Element], list: inout UnsafeMutableRawPointer?
  ) {
    let storage = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
    storage.initialize(from: elements, count: elements.count)
    list = UnsafeMutableRawPointer(storage)
    self.tag = tag
    self.count = Int32(elements.count)
    self.as.pointer = list
  }
}
