/// Why a run cannot begin or had to stop; every description names a remedy.
package enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Numbers of the recipe are inconsistent with each other or with the files.
  case arithmetic(String)
  /// A prompt file cannot be read.
  case prompts(String)
  /// Images cannot be read or written.
  case images(String)
  /// The model folder is unreadable or inconsistent with the recipe.
  case model(String)
  /// The prompt cache cannot be written or read.
  case promptCache(path: String, reason: String)
  /// The processes of a run are not alike.
  case processes(String)
  /// The run directory belongs to another recipe.
  case otherRecipe(path: String, differences: [String])
  /// Prompts or parts of the model have changed since the checkpoint was saved.
  case otherFiles(path: String, changes: String)
  /// A checkpoint or an exported file cannot be used.
  case state(path: String, reason: String)
  /// Scores are missing; the run is saved after `epoch` epochs.
  case rewards(reason: String, epoch: Int, checkpoint: String)
  /// A prompt has no image, because values exceeded the range of the model's precision.
  ///
  /// - Parameters:
  ///   - number: the prompt's position among the `of` prompts, from 1.
  ///   - step: the first denoising step, from 0, with a non-finite result; nil if the latents are
  ///     finite and the decoded image is not, or if a second sampling finds no such step.
  ///   - steps: denoising steps.
  case notFinite(
    reason: String, prompt: String, number: Int, of: Int, step: Int?, steps: Int)
  /// A consistency check of the run failed.
  case invariant(epoch: Int, update: Int, reason: String, resumption: String)

  package var description: String {
    switch self {
    case .arithmetic(let text), .prompts(let text), .images(let text), .model(let text),
      .processes(let text):
      text
    case .otherRecipe(let path, let differences):
      "\(path) was trained with another recipe (\(differences.joined(separator: "; "))); resume "
        + "with that recipe, or choose another --run-dir"
    case .otherFiles(let path, let changes):
      "\(path) was trained with other files; changed since: \(changes); restore the files of "
        + "the run's start, or begin a new run with another --run-dir"
    case .promptCache(let path, let reason):
      "\(path): \(reason); it holds encoded prompts, and prompt_cache (--prompt-cache) chooses "
        + "another folder"
    case .state(let path, let reason):
      "\(path): \(reason)"
    case .rewards(let reason, let epoch, let checkpoint):
      "\(reason). The run stopped after epoch \(epoch), before any update from later images; "
        + "everything up to there is saved in \(checkpoint). Once the cause is fixed, "
        + "--resume goes on."
    case .notFinite(let reason, let prompt, let number, let count, let step, let steps):
      "prompt \(number) of \(count), '\(prompt)': \(reason) after "
        + (step.map { "denoising step \($0 + 1) of \(steps)" } ?? "\(steps) denoising steps")
        + "; compute "
        + "in --dtype bfloat16 or float32; if that does not help, the weights of the model or of "
        + "its LoRA are the cause"
    case .invariant(let epoch, let update, let reason, let resumption):
      "epoch \(epoch), update \(update): \(reason). \(resumption)"
    }
  }
}
