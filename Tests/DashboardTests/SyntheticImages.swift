import Foundation
import ImageFiles
import Runs

/// Pictures of discs that stand in for generated images.
enum SyntheticImages {
  /// A disc on gray with some noise; `quality` 0...1 goes from noise to a clean disc.
  static func disc(_ hue: Int, quality: Double, seed: UInt64, size: Int = 32) -> PixelBuffer {
    let colors: [(Double, Double, Double)] = [
      (214, 60, 52), (58, 120, 215), (62, 160, 88), (235, 186, 60), (142, 84, 190),
    ]
    let color = colors[hue % colors.count]
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func noise() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 33) / Double(1 << 31) * 255
    }
    let middle = (Double(size) - 1) / 2
    let shift = Double(seed % 9) - 4
    var image = PixelBuffer(width: size, height: size)
    for y in 0..<size {
      for x in 0..<size {
        let inside =
          hypot(Double(x) - middle - shift, Double(y) - middle + shift / 2)
          < Double(size) * 0.28
        let clean = inside ? color : (228, 228, 224)
        let mix = { (value: Double) in UInt8(value * quality + noise() * (1 - quality)) }
        image[x, y] = (mix(clean.0), mix(clean.1), mix(clean.2))
      }
    }
    return image
  }

  /// A tree of `steps` denoising steps, all but the last branched, with its images in `folder`.
  static func tree(steps: Int = 5, branches: Int = 8, in folder: String) throws -> BranchTree {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    var points: [BranchTree.TrunkPoint] = []
    var leaves: [BranchTree.Branch] = []
    for step in 0..<(steps - 1) {
      let name = "trunk-\(step).png"
      let quality = 0.25 + 0.7 * Double(step) / Double(steps)
      try PNG.write(disc(1, quality: quality, seed: 3), to: "\(folder)/\(name)")
      points.append(.init(step: step, image: name))
      let rewards = (0..<branches).map { Double(($0 * 7 + step * 3) % branches) / Double(branches) }
      let mean = rewards.reduce(0, +) / Double(branches)
      for (index, reward) in rewards.enumerated() {
        let name = "step-\(step)-branch-\(index).png"
        try PNG.write(
          disc(1, quality: 0.7 + 0.3 * reward, seed: UInt64(step * 20 + index)),
          to: "\(folder)/\(name)")
        leaves.append(
          .init(
            step: step, index: index, reward: reward, advantage: (reward - mean) / 0.3,
            image: name))
      }
    }
    var tree = BranchTree(
      epoch: 12, prompt: "a photo of a blue circle", tag: "single_object",
      sigmas: (0...steps).map { 1 - Double($0) / Double(steps) }, trunk: points, branches: leaves)
    tree.trunkImage = "trunk.png"
    tree.trunkReward = 0.5
    try PNG.write(disc(1, quality: 0.95, seed: 3), to: "\(folder)/trunk.png")
    return tree
  }
}
