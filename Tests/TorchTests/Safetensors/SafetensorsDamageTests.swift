import Foundation
import TestSupport
import Testing
import Torch

/// A header, four bytes of data, and the expected error.
struct DamagedHeader: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let json: String
  let error: @Sendable (String) -> SafetensorsError

  init(_ name: String, _ json: String, _ error: @escaping @Sendable (String) -> SafetensorsError) {
    testDescription = name
    self.json = json
    self.error = error
  }

  /// A header with one tensor "t" of these fields.
  init(
    tensor name: String, _ fields: String,
    _ error: @escaping @Sendable (String) -> SafetensorsError
  ) {
    self.init(name, "{\"t\":{\(fields)}}", error)
  }

  static func invalid(_ problem: String) -> @Sendable (String) -> SafetensorsError {
    { .invalidEntry(path: $0, key: "t", problem: problem) }
  }

  static func malformed(_ offset: Int, _ problem: String) -> @Sendable (String) -> SafetensorsError
  {
    { .malformed(path: $0, offset: offset, problem: problem) }
  }

  static func entry(_ key: String, _ type: String, _ begin: Int, _ end: Int) -> String {
    "\"\(key)\":{\"dtype\":\"\(type)\",\"shape\":[\(end - begin)],"
      + "\"data_offsets\":[\(begin),\(end)]}"
  }

  static let entries: [DamagedHeader] = [
    .init("a name given twice", "{\(entry("t", "U8", 0, 2)),\(entry("t", "U8", 2, 4))}") {
      .duplicateKey(path: $0, key: "t")
    },
    .init(
      tensor: "a field given twice",
      #""dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]"#
    ) { .duplicateKey(path: $0, key: "dtype") },
    .init("overlapping tensors", "{\(entry("a", "U8", 0, 3)),\(entry("t", "U8", 2, 4))}") {
      .invalidRange(path: $0, key: "t", problem: "overlap another tensor's")
    },
    .init("a gap", "{\(entry("a", "U8", 0, 2)),\(entry("t", "U8", 3, 4))}") {
      .invalidRange(path: $0, key: "t", problem: "leave a gap before them")
    },
    .init("bytes beyond the end", "{\(entry("t", "U8", 0, 5))}") {
      .invalidRange(path: $0, key: "t", problem: "lie beyond the end of the file")
    },
    .init("unused bytes at the end", "{\(entry("t", "U8", 0, 3))}") {
      .dataSize(path: $0, expected: 3, found: 4)
    },
    .init("an unknown type", "{\(entry("t", "F33", 0, 4))}") {
      .unsupportedType(path: $0, key: "t", type: "F33")
    },
    .init(
      tensor: "fewer bytes than the shape needs",
      #""dtype":"F32","shape":[2],"data_offsets":[0,4]"#
    ) { .sizeMismatch(path: $0, key: "t", expected: 8, found: 4) },
    .init(
      tensor: "an end before the beginning", #""dtype":"U8","shape":[4],"data_offsets":[4,0]"#
    ) { .invalidRange(path: $0, key: "t", problem: "end before they begin") },
    .init(
      tensor: "a shape that overflows",
      #""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]"#,
      invalid("the shape has too many elements")),
    .init(
      tensor: "offsets that overflow",
      #""dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]"#
    ) { .invalidRange(path: $0, key: "t", problem: "lie beyond the end of the file") },
    .init(
      tensor: "a negative size", #""dtype":"U8","shape":[-4],"data_offsets":[0,4]"#,
      invalid("no 'shape' of whole numbers from 0 up")),
    .init(
      tensor: "a fractional size", #""dtype":"U8","shape":[4.0],"data_offsets":[0,4]"#,
      invalid("no 'shape' of whole numbers from 0 up")),
    .init(
      tensor: "one offset", #""dtype":"U8","shape":[4],"data_offsets":[4]"#,
      invalid("no 'data_offsets' of two whole numbers from 0 up")),
    .init(tensor: "no type", #""shape":[4],"data_offsets":[0,4]"#, invalid("no 'dtype'")),
    .init(
      tensor: "a type that is not text", #""dtype":3,"shape":[4],"data_offsets":[0,4]"#,
      invalid("wrong kind of 'dtype'")),
    .init(
      tensor: "an unknown field", #""dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1"#,
      invalid("unknown field 'x'")),
    .init("an entry that is no object", #"{"t":4}"#, invalid("it is not an object")),
    .init("metadata that is not text", #"{"__metadata__":{"a":1}}"#) {
      .invalidEntry(
        path: $0, key: "__metadata__", problem: "the value of 'a' is not text")
    },
  ]

  static let syntax: [DamagedHeader] = [
    .init("an array", "[]", malformed(0, "expected '{'")),
    .init("nothing", "", malformed(0, "expected '{'")),
    .init("a broken object", #"{"a"}"#, malformed(4, "expected a colon")),
    .init("a trailing comma", #"{"a":1,}"#, malformed(7, "expected a key in quotes")),
    .init("text after the end", "{}x", malformed(2, "text after the value")),
    .init("a leading zero", #"{"a":01}"#, malformed(7, "expected a value")),
    .init("half a surrogate pair", #"{"\ud800":1}"#, malformed(8, "a broken surrogate pair")),
    .init("a raw control character", "{\"a\n\":1}", malformed(3, "a control character in a text")),
    .init(
      "deep nesting", "{\"a\":" + String(repeating: "[", count: 100_000),
      malformed(68, "nested deeper than 64 levels")),
  ]
}

@Suite struct SafetensorsDamageTests {
  @Test(arguments: DamagedHeader.entries + DamagedHeader.syntax)
  func `a damaged header is refused with the reason`(_ damage: DamagedHeader) throws {
    try withTemporaryFolder { folder in
      let path = try write(damage.json, data: [1, 2, 3, 4], to: folder)
      #expect(throws: damage.error(path)) { _ = try SafetensorsFile(path: path) }
      #expect(damage.error(path).description.contains(path))
    }
  }

  @Test func `a file truncated anywhere is refused`() throws {
    let whole = try Data(contentsOf: URL(filePath: fixture("safetensors/types.safetensors")))
    try withTemporaryFolder { folder in
      let path = "\(folder)/cut.safetensors"
      for count in stride(from: 0, to: whole.count, by: 7) {
        try whole.prefix(count).write(to: URL(filePath: path))
        #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile(path: path) }
      }
    }
  }

  @Test func `an absurd header length is refused before anything is read`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/long.safetensors"
      try Data([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1])
        .write(to: URL(filePath: path))
      #expect(throws: SafetensorsError.headerTooLong(path: path, bytes: .max)) {
        _ = try SafetensorsFile(path: path)
      }
    }
  }

  @Test func `a missing file, a folder and a missing tensor are named`() throws {
    #expect(
      throws: SafetensorsError.cannotRead(
        path: "/nowhere/x.safetensors", reason: "No such file or directory")
    ) { _ = try SafetensorsFile(path: "/nowhere/x.safetensors") }
    #expect(throws: SafetensorsError.cannotRead(path: "/", reason: "it is not a file")) {
      _ = try SafetensorsFile(path: "/")
    }
    let path = fixture("safetensors/types.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(throws: SafetensorsError.missingKey(path: path, key: "no")) {
      _ = try file.tensor("no")
    }
  }
}
