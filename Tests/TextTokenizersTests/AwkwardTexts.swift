import Foundation
import TestSupport
import Testing

/// The texts of `awkward.json`: accents, emoji, scripts, controls, special tokens typed by a user,
/// inputs of ten thousand characters.
struct AwkwardTexts {
  let texts: [String]

  init() throws {
    texts = try decoded([Entry].self, fixture("tokenizers/awkward.json")).map(\.text)
  }

  /// Compares the ids of every text with the ids in `folder`.
  func check(folder: String, _ encode: (String) -> [Int]) throws {
    let expected = try decoded([Expected].self, "\(folder)/awkward-ids.json")
    try #require(expected.count == texts.count && texts.count >= 500)
    for (text, expected) in zip(texts, expected) {
      let found = encode(text)
      switch expected {
      case .ids(let ids): #expect(found == ids, "\(text.debugDescription)")
      case .many(let count, let digest):
        let isEqual = found.count == count && Self.digest(found) == digest
        #expect(isEqual, "\(text.prefix(9).debugDescription)")
      }
    }
  }

  /// FNV-1a over the ids, 32 bits each, truncated to 32 bits.
  static func digest(_ ids: [Int]) -> UInt64 {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for id in ids {
      for shift in [0, 8, 16, 24] {
        value = (value ^ UInt64(id >> shift & 0xFF)) &* 0x100_0000_01B3
      }
    }
    return value & 0xFFFF_FFFF
  }

  /// A text and the number of its repetitions.
  private struct Entry: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
      var pair = try decoder.unkeyedContainer()
      let part = try pair.decode(String.self)
      text = String(repeating: part, count: try pair.decode(Int.self))
    }
  }

  /// Ids, or their number and a digest.
  private enum Expected: Decodable {
    case ids([Int])
    case many(count: Int, digest: UInt64)

    init(from decoder: any Decoder) throws {
      do {
        self = .ids(try decoder.singleValueContainer().decode([Int].self))
      } catch DecodingError.typeMismatch {
        let object = try decoder.container(keyedBy: Key.self)
        self = .many(
          count: try object.decode(Int.self, forKey: .count),
          digest: try object.decode(UInt64.self, forKey: .digest))
      }
    }

    enum Key: String, CodingKey { case count, digest }
  }
}

func decoded<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
  try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path)))
}
