internal import DiffusionModels
internal import Foundation
internal import ImageFiles
internal import Rewards
package import Runs
internal import ShapeScenes
internal import TextTokenizers
internal import Torch

/// Trains the embedded model from scratch: renders images, trains the autoencoder, then the flow,
/// and writes a diffusers folder.
///
/// The recipe determines the result: images, initial weights, noise and order follow from its seed,
/// and measurements use generators of their own.
package struct Pretrainer {
  package let recipe: PretrainingRecipe
  let training: [Prompt]
  let heldOut: [Prompt]
  let progress: ProgressReporter
  let isStopRequested: () -> Bool

  /// The results of pretraining.
  package struct Outcome: Sendable {
    /// Strict accuracy on all held-out prompts.
    package var accuracy: TaggedScores
    /// Mean partial credit on the same images.
    package var credit: TaggedScores
    package var evaluationProtocol: RunSummary.EvaluationProtocol
    /// Seconds per phase: render, autoencoder, encode, flow, evaluate.
    package var phaseSeconds: [String: Double]
    /// Number of trained parameters, per component.
    package var parameterCounts: [String: Int]
    package var machine: Machine
  }

  /// Reads the prompt files.
  ///
  /// - Parameters:
  ///   - progress: receives steps and measurements.
  ///   - isStopRequested: called after every step.
  /// - Throws: ``PretrainingError/prompts``.
  package init(
    _ recipe: PretrainingRecipe, progress: ProgressReporter,
    isStopRequested: @escaping () -> Bool = { false }
  ) throws(PretrainingError) {
    self.recipe = recipe
    self.progress = progress
    self.isStopRequested = isStopRequested
    do throws(TrainingError) {
      training = try recipe.data.task.prompts(recipe.data.prompts)
      heldOut = try recipe.data.task.prompts(recipe.evaluation.prompts)
    } catch {
      throw .prompts(error)
    }
  }
}
