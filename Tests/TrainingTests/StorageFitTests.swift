import Foundation
import Recipes
import TestSupport
import Testing
import TorchNN
import Training

/// What fits a memory budget, with the tiny FLUX.1 of the fixtures.
@Suite struct StorageFitTests {
  private func fits(_ settings: [String]) throws -> [StorageFit] {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: fixture("flux-dev/model"), toPath: "\(folder.path)/model")
    for name in ["train.jsonl", "held-out.jsonl"] {
      try folder.write(
        (0..<6).map { "{\"prompt\": \"\($0)\"}" }.joined(separator: "\n"), to: name)
    }
    let text = recipeText([
      (
        "trainable: full",
        "trainable: lora\nresolution: [16, 24]\nmax_sequence_length: 8\nlora: {rank: 2}\n"
          + "dtype: bfloat16\ndevice: cuda"
      ),
      ("[{name: shapes}]", "[{name: jpeg_compressibility}]"),
    ])
    return try TrainingPlan(try folder.recipe(text, settings).settings).fits
  }

  @Test
  func `every storage is compared at the recipe's size, without squares beyond the model's own`()
    throws
  {
    let fits = try fits(["memory_budget=2GB"])
    // The tiny model's own size is smaller than the usual squares.
    #expect(fits.count == 6)
    #expect(Set(fits.map { [$0.height, $0.width] }) == [[16, 24]])
    #expect(
      fits.allSatisfy { $0.microBatches?.sampling == 64 && $0.microBatches?.optimizer == 64 })
    for fit in fits {
      #expect((fit.hostBytes > 0) == (fit.offload == .blocks))
      #expect(fit.flopsPerEpoch > 0 && fit.peak < 2_000_000_000)
    }
  }

  @Test func `a smaller budget leaves smaller micro-batches, and then none, with the phase`()
    throws
  {
    let whole = try fits(["memory_budget=2GB"])[0]
    // A process on a GPU takes 835.5 MB.
    let less = try fits(["memory_budget=836MB"])[0]
    let batches = try #require(less.microBatches)
    #expect(batches.sampling < 64)
    #expect(less.peak < whole.peak)
    let none = try fits(["memory_budget=100MB"])[0]
    #expect(none.microBatches == nil && none.peak > 100_000_000 && !none.peakPhase.isEmpty)
  }

  @Test func `without a budget, or where every weight is trained, nothing is compared`() throws {
    #expect(try fits([]).isEmpty)
    let full = ["trainable=full", "lora=null", "dtype=float32", "memory_budget=2GB"]
    #expect(try fits(full).isEmpty)
  }
}
