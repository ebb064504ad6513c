internal import Foundations

/// The part of a safetensors file before the tensors: eight bytes of length, then JSON.
///
/// Every entry is checked against the file before a tensor is returned: the ranges must tile the
/// data section without gap or overlap, and fit shape and type.
struct SafetensorsHeader {
  /// The position of one tensor, in bytes from the start of the file.
  struct Entry {
    let key: String
    let dtype: DType
    let shape: [Int]
    let range: Range<Int>
  }

  /// Headers above this are refused, as by the reference implementation.
  static let byteLimit = 100_000_000

  let metadata: [String: String]
  /// In the order of the bytes.
  let entries: [Entry]

  /// Reads and checks the header of the file in `file`.
  init(_ file: UnsafeRawBufferPointer, path: String) throws(SafetensorsError) {
    guard file.count >= 8 else { throw .truncated(path: path, bytes: file.count, needed: 8) }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= Self.byteLimit else { throw .headerTooLong(path: path, bytes: length) }
    let start = 8 + Int(length)
    guard file.count >= start else {
      throw .truncated(path: path, bytes: file.count, needed: start)
    }
    guard length > 0, file[8] == UInt8(ascii: "{") else {
      throw .malformed(path: path, offset: 0, problem: "expected '{'")
    }
    let json = try JSONValue(safetensors: Array(file[8..<start]), path: path)
    var metadata: [String: String] = [:]
    var entries: [Entry] = []
    // `String` also equates names that Unicode holds canonically equal, which JSON keeps apart.
    var names: Set<String> = []
    for member in json.members ?? [] {
      let key = member.key
      guard names.insert(key).inserted else { throw .duplicateKey(path: path, key: key) }
      if key == "__metadata__" {
        metadata = try Self.metadata(member.value, path: path)
      } else {
        entries.append(try Self.entry(key, member.value, dataStart: start, path: path))
      }
    }
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    try Self.checkTiling(entries, start..<file.count, path: path)
    self.metadata = metadata
    self.entries = entries
  }

  private static func metadata(
    _ value: JSONValue, path: String
  ) throws(SafetensorsError) -> [String: String] {
    var result: [String: String] = [:]
    guard let members = value.members else {
      throw .invalidEntry(path: path, key: "__metadata__", problem: "it is not an object")
    }
    for member in members {
      guard let text = member.value.string else {
        throw .invalidEntry(
          path: path, key: "__metadata__", problem: "the value of '\(member.key)' is not text")
      }
      guard result.updateValue(text, forKey: member.key) == nil else {
        throw .duplicateKey(path: path, key: member.key)
      }
    }
    return result
  }

  private static func entry(
    _ key: String, _ value: JSONValue, dataStart: Int, path: String
  ) throws(SafetensorsError) -> Entry {
    func invalid(_ problem: String) -> SafetensorsError {
      .invalidEntry(path: path, key: key, problem: problem)
    }
    guard let members = value.members else { throw invalid("it is not an object") }
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    for member in members {
      let field = member.key
      switch (field, member.value) {
      case ("dtype", .string(let text)): type = text
      case ("shape", .array(let elements)): shape = naturals(elements)
      case ("data_offsets", .array(let elements)): offsets = naturals(elements)
      case ("dtype", _), ("shape", _), ("data_offsets", _):
        throw invalid("wrong kind of '\(field)'")
      default: throw invalid("unknown field '\(field)'")
      }
    }
    guard let type else { throw invalid("no 'dtype'") }
    guard let shape else { throw invalid("no 'shape' of whole numbers from 0 up") }
    guard let offsets, offsets.count == 2 else {
      throw invalid("no 'data_offsets' of two whole numbers from 0 up")
    }
    guard shape.count <= 64 else { throw invalid("more than 64 dimensions") }
    guard let dtype = DType(safetensorsName: type) else {
      throw .unsupportedType(path: path, key: key, type: type)
    }
    guard offsets[0] <= offsets[1] else {
      throw .invalidRange(path: path, key: key, problem: "end before they begin")
    }
    let expected = try byteCount(shape, dtype, key: key, path: path)
    guard offsets[1] - offsets[0] == expected else {
      throw .sizeMismatch(
        path: path, key: key, expected: expected, found: offsets[1] - offsets[0])
    }
    guard offsets[1] <= Int.max - dataStart else {
      throw .invalidRange(path: path, key: key, problem: "lie beyond the end of the file")
    }
    return Entry(
      key: key, dtype: dtype, shape: shape,
      range: offsets[0] + dataStart..<offsets[1] + dataStart)
  }

  private static func naturals(_ elements: [JSONValue]) -> [Int]? {
    var result: [Int] = []
    for element in elements {
      guard let integer = element.int, integer >= 0 else { return nil }
      result.append(integer)
    }
    return result
  }

  private static func byteCount(
    _ shape: [Int], _ dtype: DType, key: String, path: String
  ) throws(SafetensorsError) -> Int {
    var count = dtype.byteCount
    for size in shape where size != 0 {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow else {
        throw .invalidEntry(path: path, key: key, problem: "the shape has too many elements")
      }
      count = product
    }
    return shape.contains(0) ? 0 : count
  }

  private static func checkTiling(
    _ entries: [Entry], _ data: Range<Int>, path: String
  ) throws(SafetensorsError) {
    var end = data.lowerBound
    for entry in entries {
      let range = entry.range
      guard range.upperBound <= data.upperBound else {
        throw .invalidRange(
          path: path, key: entry.key, problem: "lie beyond the end of the file")
      }
      guard range.lowerBound >= end else {
        throw .invalidRange(path: path, key: entry.key, problem: "overlap another tensor's")
      }
      guard range.lowerBound == end else {
        throw .invalidRange(path: path, key: entry.key, problem: "leave a gap before them")
      }
      end = range.upperBound
    }
    guard end == data.upperBound else {
      throw .dataSize(path: path, expected: end - data.lowerBound, found: data.count)
    }
  }
}

// MARK: - JSON

extension JSONValue {
  /// Reads the JSON of a tensor file.
  ///
  /// - Throws: `SafetensorsError.malformed` or `.duplicateKey`.
  init(safetensors bytes: [UInt8], path: String) throws(SafetensorsError) {
    do throws(JSONParser.Failure) {
      self = try JSONParser.parse(bytes[...])
    } catch {
      if let key = error.duplicateKey { throw .duplicateKey(path: path, key: key) }
      throw .malformed(path: path, offset: error.offset, problem: error.reason)
    }
  }
}

// MARK: - Element types

extension DType {
  /// The type's name in a safetensors header.
  var safetensorsName: String {
    switch self {
    case .float64: "F64"
    case .float32: "F32"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .float8E4M3: "F8_E4M3"
    case .float8E5M2: "F8_E5M2"
    case .int64: "I64"
    case .int32: "I32"
    case .int16: "I16"
    case .int8: "I8"
    case .uint8: "U8"
    case .bool: "BOOL"
    }
  }

  /// All types in the order in which a written file holds them: largest elements first.
  private static let safetensorsOrder: [DType] = [
    .int64, .float64, .float32, .int32, .bfloat16, .float16, .int16, .float8E4M3, .float8E5M2,
    .int8, .uint8, .bool,
  ]

  private static let safetensorsRanks: [DType: Int] = Dictionary(
    uniqueKeysWithValues: safetensorsOrder.enumerated().map { ($1, $0) })

  private static let safetensorsNames: [String: DType] = Dictionary(
    uniqueKeysWithValues: safetensorsOrder.map { ($0.safetensorsName, $0) })

  /// The type's place in a written file.
  var safetensorsRank: Int { Self.safetensorsRanks[self, default: Self.safetensorsOrder.count] }

  /// The type of that name in a safetensors header; nil when libtorch has no counterpart.
  init?(safetensorsName name: String) {
    guard let dtype = Self.safetensorsNames[name] else { return nil }
    self = dtype
  }
}
