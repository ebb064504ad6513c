import DiffusionModels
import Foundation
import Foundations
import TestSupport
import Testing
import Torch

/// Tables and rotations of diffusers' QwenEmbedRope, written by `python
/// Tools/fixtures/qwen_image.py`.
@Suite struct QwenImagePositionTests {
  private struct Axes: Decodable {
    let axes: [Int]
    /// Frames, rows, columns and text tokens.
    let grids: [[Int]]
    /// Digests of the two tables, by the instructions of the processor.
    let sha256: [String: [String: String]]
  }

  /// With AVX2 alone, libtorch's power rounds one frequency differently; at position 4095 that is
  /// an angle of about 1e-4.
  private let tolerance = 1e-3

  @Test func `the tables have the bits of diffusers'`() throws {
    let tensors = try WeightsFile(path: fixture("qwen-image/rope.safetensors")).tensors
    let all = try JSONDecoder().decode(
      [String: Axes].self,
      from: Data(contentsOf: URL(filePath: fixture("qwen-image/rope.json"))))
    #expect(all.count == 3)
    for (name, given) in all {
      let positions = QwenImagePositions(axes: given.axes)
      let limit = QwenImagePositions.limit
      for (sign, start) in [("neg", 0), ("pos", limit)] {
        let table = positions.table.narrowed(dim: 0, start: start, length: limit)
        let digest = table.contiguous().withBytes { bytes in
          var hash = SHA256()
          hash.update(bytes)
          return hash.digest()
        }
        #expect(given.sha256.values.contains { $0[sign] == digest }, "\(name) \(sign)")
        for (part, start) in [("first", 0), ("last", limit - 64)] {
          let expected = try #require(tensors["\(name).\(sign).\(part)"])
          let found = table.narrowed(dim: 0, start: start, length: 64)
          #expect(largestDifference(found, expected) < tolerance, "\(name) \(sign) \(part)")
        }
      }
      for grid in given.grids where grid[0] == 1 {
        let key = "\(name).1x\(grid[1])x\(grid[2]).\(grid[3])"
        let image = positions.image(rows: grid[1], columns: grid[2])
        let text = positions.text(from: max(grid[1] / 2, grid[2] / 2), count: grid[3])
        #expect(largestDifference(image, try #require(tensors["\(key).image"])) < tolerance)
        #expect(largestDifference(text, try #require(tensors["\(key).text"])) < tolerance)
      }
    }
  }
}
