/// Why a run cannot begin, or had to stop; every description says what to do.
package enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Numbers of the recipe do not fit together, or do not fit the files.
  case arithmetic(String)
  /// A prompt file cannot be read.
  case prompts(String)
  /// A folder of images cannot be read.
  case images(String)
  /// The model folder cannot be read, or does not fit the recipe.
  case model(String)
  /// Encoded prompts cannot be kept or read.
  case promptCache(path: String, reason: String)
  /// A reward failed as a whole.
  case reward(String)
  /// The run directory could not be written or read.
  case run(String)
  /// The checkpoint does not belong to this recipe.
  case otherRecipe(path: String, differences: [String])
  /// Prompts or parts of the model have changed since the checkpoint was saved.
  case otherFiles(path: String, changes: String)
  /// What a checkpoint or an exported file holds cannot be used.
  case state(path: String, reason: String)
  /// Scores could not be had; the run is saved after `epoch` epochs.
  case rewards(reason: String, epoch: Int, checkpoint: String)
  /// The model makes no image of a prompt, because numbers left the range of its precision.
  ///
  /// - Parameters:
  ///   - number: the prompt's place among the `of` prompts, from 1.
  ///   - step: the first denoising step, from 0, whose result is not finite; nil when the latents
  ///     are finite and the decoded image is not, or when a second calculation found none.
  ///   - steps: denoising steps.
  case notFinite(
    reason: String, prompt: String, number: Int, of: Int, step: Int?, steps: Int)
  /// A check of the run on itself failed.
  case invariant(epoch: Int, update: Int, reason: String, lastGood: String?)

  package var description: String {
    switch self {
    case .arithmetic(let text), .prompts(let text), .images(let text), .model(let text),
      .reward(let text), .run(let text):
      text
    case .otherRecipe(let path, let differences):
      "\(path) was trained with another recipe (\(differences.joined(separator: "; "))); resume "
        + "with that recipe, or choose another --run-dir"
    case .otherFiles(let path, let changes):
      "\(path) was trained with other files; changed since: \(changes); put back what the run began "
        + "with, or begin a new run with another --run-dir"
    case .promptCache(let path, let reason):
      "\(path): \(reason); encoded prompts are kept there, and prompt_cache (--prompt-cache) chooses "
        + "another folder"
    case .state(let path, let reason):
      "\(path): \(reason)"
    case .rewards(let reason, let epoch, let checkpoint):
      "\(reason). The run stopped after epoch \(epoch) and learnt nothing from later images; "
        + "everything up to there is saved in \(checkpoint). Once the cause is mended, "
        + "--resume goes on."
    case .notFinite(let reason, let prompt, let number, let count, let step, let steps):
      "prompt \(number) of \(count), '\(prompt)': \(reason) after "
        + (step.map { "denoising step \($0 + 1) of \(steps)" } ?? "\(steps) denoising steps")
        + "; compute "
        + "in --dtype bfloat16 or float32, and if that does not help, the model or its LoRA is at "
        + "fault"
    case .invariant(let epoch, let update, let reason, let lastGood):
      "epoch \(epoch), update \(update): \(reason). "
        + (lastGood.map { "The last good checkpoint is \($0); --resume goes on from it." }
          ?? "There is no checkpoint yet.")
    }
  }
}
