import DiffusionModels
import Foundation
import Recipes
import TempFlow
import TestSupport
import Testing
import TorchNN
import Training

@Suite struct ShippedRecipesTests {
  private static let folder = repositoryFolder() + "/Recipes"

  private static func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".yaml") && !$0.hasSuffix("-pretrain.yaml") }.sorted()
  }

  private func settings(_ name: String) throws -> TrainingRecipe {
    try TrainingRecipe.read(path: "\(Self.folder)/\(name).yaml").settings
  }

  @Test func `every recipe is read without an error or a warning`() throws {
    let names = try Self.names()
    #expect(names.count == 26)
    for name in names {
      let recipe = try TrainingRecipe.read(path: "\(Self.folder)/\(name)")
      #expect(recipe.warnings.isEmpty, "\(name): \(recipe.warnings)")
    }
  }

  @Test(arguments: [
    "sd3.5-medium-pickscore", "sd3.5-medium-geneval", "sd3.5-medium-ocr", "flux.1-dev-pickscore",
    "flux.1-dev-hpsv3", "flux.1-dev-fast", "flux.1-kontext-editscore", "qwen-image-pickscore",
    "qwen-image-ocr",
  ])
  func `a Flow-GRPO variant differs in method, groups and weights alone`(name: String) throws {
    let ours = try settings(name)
    var twin = try settings("\(name)-flow-grpo")
    let isFast = name.hasSuffix("fast") || name.hasPrefix("qwen")
    #expect(twin.sampling.method == (isFast ? .flowGRPOFast : .flowGRPO))
    #expect(twin.sampling.trunksPerPrompt == (name.hasSuffix("editscore") ? 12 : 24))
    twin.sampling = ours.sampling
    twin.advantage = ours.advantage
    twin.loss = ours.loss
    #expect(twin == ours)
  }

  @Test func `the settings of FLUX.1-dev are the paper's, or a published configuration's`() throws {
    for name in ["flux.1-dev-pickscore", "flux.1-dev-hpsv3"] {
      let recipe = try settings(name)
      #expect(recipe.resolution == ImageSize(height: 1024, width: 1024))
      #expect(recipe.prompts.perEpoch == 48 && recipe.sampling.seedsPerPrompt == 4)
      #expect(recipe.sampling.branches == 6 && recipe.sampling.steps == 10)
      #expect(recipe.sampling.trainedStepCount == 9 && recipe.sampling.guidanceScale == 3.5)
      #expect(recipe.sampling.noiseLevel == 0.9 && recipe.maxSequenceLength == 128)
      #expect(recipe.loss.objective.clipRange == 1e-4 && recipe.loss.objective.klBeta == 4e-3)
      #expect(recipe.learning.adapters?.rank == 32 && recipe.evaluation.steps == 50)
    }
    let known = FluxPipeline.defaults.knownSettings
    for name in try Self.names().map({ $0.dropLast(".yaml".count) })
    where name.hasPrefix("flux.1-dev") {
      let recipe = try settings(String(name))
      let isKnown = known.contains {
        $0.covers(
          steps: recipe.sampling.steps, dynamics: recipe.sampling.stochasticDynamics,
          trainedSteps: recipe.sampling.trainedSteps.candidates(stepCount: recipe.sampling.steps),
          clipRange: [recipe.loss.objective.clipRange.narrow])
      }
      #expect(isKnown, "\(name)")
    }
  }

  @Test func `the settings of Qwen-Image are the paper's, and the twin's window is Flow-GRPO's`()
    throws
  {
    for name in ["qwen-image-pickscore", "qwen-image-ocr"] {
      let recipe = try settings(name)
      #expect(recipe.resolution == ImageSize(height: 512, width: 512))
      #expect(recipe.prompts.perEpoch == 48 && recipe.sampling.seedsPerPrompt == 4)
      #expect(recipe.sampling.branches == 6 && recipe.sampling.steps == 10)
      #expect(recipe.sampling.trainedStepCount == 9 && recipe.sampling.guidanceScale == 4)
      #expect(recipe.sampling.negativePrompt == " " && recipe.sampling.noiseLevel == 1.2)
      #expect(recipe.loss.objective.clipRange == 1e-4 && recipe.loss.objective.klBeta == 0)
      #expect(recipe.learning.adapters?.rank == 64 && recipe.learning.adapters?.alpha == 128)
      #expect(recipe.evaluation.steps == 50 && recipe.ema.decay == 0)
      let twin = try settings("\(name)-flow-grpo")
      #expect(twin.sampling.trainedSteps == .window(2, of: 5))
    }
  }

  @Test func `the settings of Stable Diffusion 3.5 Medium are the paper's`() throws {
    let recipe = try settings("sd3.5-medium-pickscore")
    #expect(recipe.prompts.perEpoch == 48)
    #expect(recipe.sampling.seedsPerPrompt == 4)
    #expect(recipe.sampling.branches == 6)
    #expect(recipe.sampling.steps == 10)
    #expect(recipe.sampling.trainedStepCount == 9)
    #expect(recipe.sampling.guidanceScale == 4.5)
    #expect(recipe.optimizer.updatesPerEpoch == 2)
    #expect(recipe.loss.objective.clipRange == 1e-4)
    #expect(recipe.loss.objective.klBeta == 1e-3)
    #expect(try settings("sd3.5-medium-geneval").loss.objective.klBeta == 4e-3)
    let small = try settings("sd3.5-medium-24gb")
    #expect(small.prompts.perEpoch == 48 && small.sampling.branches == 6)
    #expect(small.loss == recipe.loss)
  }

  @Test func `the fast recipe differs from the paper's in guidance, steps and micro-batches alone`()
    throws
  {
    var fast = try settings("sd3.5-medium-pickscore-fast")
    let paper = try settings("sd3.5-medium-pickscore")
    #expect(fast.sampling.trainedSteps == .random(3, of: 5))
    #expect(fast.sampling.guidanceScale == 1 && fast.evaluation.guidanceScale == 1)
    // Without guidance a latent is one row of the network in place of two.
    #expect(fast.sampling.microBatch == 2 * paper.sampling.microBatch)
    #expect(fast.optimizer.microBatch == 2 * paper.optimizer.microBatch)
    fast.sampling = paper.sampling
    fast.evaluation = paper.evaluation
    fast.optimizer.microBatch = paper.optimizer.microBatch
    #expect(fast == paper)
  }

  @Test(arguments: [
    ("flux.1-dev-24gb", "flux.1-dev-pickscore"), ("qwen-image-24gb", "qwen-image-pickscore"),
  ])
  func `a recipe for 24 GB differs in storage and micro-batches alone`(
    name: String, other: String
  ) throws {
    var small = try settings(name)
    let large = try settings(other)
    #expect(small.memory.budget == 24_000_000_000 && small.memory.offload == .blocks)
    small.memory = large.memory
    small.sampling.microBatch = large.sampling.microBatch
    small.optimizer.microBatch = large.optimizer.microBatch
    #expect(small == large)
  }
}
