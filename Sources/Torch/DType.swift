/// The type of a tensor's elements.
public enum DType: Int32, Sendable, CaseIterable {
  // The raw values are those of c10::ScalarType.
  case uint8 = 0
  case int8 = 1
  case int16 = 2
  case int32 = 3
  case int64 = 4
  case float16 = 5
  case float32 = 6
  case float64 = 7
  case bool = 11
  case bfloat16 = 15
  case float8E5M2 = 23
  case float8E4M3 = 24

  /// The size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool, .float8E5M2, .float8E4M3: 1
    case .int16, .float16, .bfloat16: 2
    case .int32, .float32: 4
    case .int64, .float64: 8
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64, .float8E5M2, .float8E4M3: true
    default: false
    }
  }
}
