import Foundation
import Foundations
import TestSupport
import Testing
import Torch

@Suite struct SafetensorsFuzzTests {
  @Test func `ten thousand mutations give tensors or a typed error, never a crash`() throws {
    let source = URL(filePath: fixture("safetensors/types.safetensors"))
    let whole = try [UInt8](Data(contentsOf: source))
    var random = SplitMix64(seed: 2508)
    var accepted = 0
    try withTemporaryFolder { folder in
      for index in 0..<10_000 {
        let path = "\(folder)/\(index).safetensors"
        var bytes = whole
        for _ in 0...Int.random(in: 0..<3, using: &random) { mutate(&bytes, &random) }
        try store(bytes, path)
        do throws(SafetensorsError) {
          let file = try SafetensorsFile(path: path)
          accepted += 1
          for key in file.keys { _ = try file.tensor(key).to(.float32).floats() }
        } catch {
          #expect(error.description.contains(path))
        }
        try FileManager.default.removeItem(atPath: path)
      }
    }
    // Damaged data is not detectable; a damaged header is, with rare exceptions.
    #expect((100..<5_000).contains(accepted))
  }
}

/// Writes the file without syncing it, which Foundation would do ten thousand times.
private func store(_ bytes: [UInt8], _ path: String) throws {
  let file = try #require(fopen(path, "w"))
  #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  #expect(fclose(file) == 0)
}

/// One random change; half of them keep the length field consistent with the header.
private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
  guard bytes.count > 16 else { return }
  let position = Int.random(in: 0..<bytes.count, using: &random)
  switch Int.random(in: 0..<8, using: &random) {
  case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
  case 1: bytes[position] = UInt8.random(in: 0...255, using: &random)
  case 2: bytes.removeLast(Int.random(in: 1...bytes.count / 2, using: &random))
  case 3: bytes.append(contentsOf: bytes.prefix(position))
  case 4: bytes[Int.random(in: 0..<8, using: &random)] = .random(in: 0...255, using: &random)
  case 5:
    let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
    guard let digit = digits.randomElement(using: &random) else { return }
    bytes[digit] = UInt8.random(in: 0x30...0x39, using: &random)
  case 6:
    let length = min(Int.random(in: 1...64, using: &random), bytes.count - position)
    let target = Int.random(in: 0...(bytes.count - length), using: &random)
    bytes.replaceSubrange(target..<target + length, with: bytes[position..<position + length])
  default:
    let tokens = ["9223372036854775807", "-1", "\"", "{", "]", ",", "null", "1e999", "\\ud800"]
    guard let token = tokens.randomElement(using: &random) else { return }
    bytes.insert(contentsOf: token.utf8, at: position)
    let length = UInt64(littleEndian: bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    let longer = length &+ UInt64(token.utf8.count)
    if position >= 8 { bytes.replaceSubrange(0..<8, with: withUnsafeBytes(of: longer, Array.init)) }
  }
}
