import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// The keys and shapes of the Python class of a full-size model, from `Tools/fixtures/manifests.py`
/// and `text_encoders.py`.
struct KeyManifest {
  /// Shape by key, in Python's notation.
  let shapes: [String: String]

  init(_ name: String) throws {
    let text = try String(contentsOfFile: fixture("manifests/\(name).txt"), encoding: .utf8)
    var shapes: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
      try #require(parts.count == 2, "\(line)")
      for key in try Self.unfolded(parts[0]) {
        try #require(shapes.updateValue(parts[1], forKey: key) == nil, "\(key) twice")
      }
    }
    self.shapes = shapes
  }

  /// Expands `a.{0...1,4}.b` to `a.0.b`, `a.1.b`, `a.4.b`.
  private static func unfolded(_ pattern: String) throws -> [String] {
    guard let open = pattern.firstIndex(of: "{"), let close = pattern.firstIndex(of: "}") else {
      return [pattern]
    }
    return try pattern[pattern.index(after: open)..<close].split(separator: ",").flatMap { range in
      let ends = try range.split(separator: ".").map { try #require(Int($0), "\(pattern)") }
      return try (#require(ends.first)...#require(ends.last)).map {
        "\(pattern[..<open])\($0)\(pattern[pattern.index(after: close)...])"
      }
    }
  }

  /// The configuration of a diffusers model, written by the Python class.
  static func configuration<Configuration: ModelConfiguration>(
    _ name: String, _ type: Configuration.Type = Configuration.self
  ) throws -> Configuration {
    try Configuration(contentsOf: fixture("manifests/\(name).json"))
  }

  /// Compares both ways with the weights that a network declares on the meta device.
  static func check(_ name: String, _ build: (ParameterScope) throws -> Void) throws {
    let store = ParameterStore(.meta)
    try build(store.root)
    let expected = try KeyManifest(name).shapes
    let found = Dictionary(
      uniqueKeysWithValues: store.weights.map { ($0.name, "\($0.tensor.shape)") })
    #expect(Set(expected.keys).subtracting(found.keys).sorted() == [], "missing here")
    #expect(Set(found.keys).subtracting(expected.keys).sorted() == [], "missing in Python")
    for (key, shape) in expected.sorted(by: { $0.key < $1.key }) {
      #expect(found[key] == shape, "\(key)")
    }
  }
}
