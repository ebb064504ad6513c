package import DiffusionModels
package import Rewards
package import ShapeScenes
package import TextTokenizers
package import TorchNN

/// Why a model could not be made; the description says where and what to do.
package enum PretrainingError: Error, CustomStringConvertible {
  /// A loss is infinite or not a number.
  case notFinite(stage: String, step: Int)
  /// A prompt file cannot be used.
  case prompts(PromptFileError)
  /// A network of the recipe cannot be built.
  case network(ParameterError)
  /// The parts do not make a pipeline, or its folder cannot be written.
  case pipeline(PipelineError)
  /// A picture cannot be written.
  case output(path: String, reason: String)
  /// The measurement's images could not be scored.
  case reward(RewardError)
  /// The model makes no image of a prompt of the measurement.
  case images(TrainingError)
  /// A tokenizer cannot be made from the prompts.
  case tokenizer(TokenizerError)
  /// It was asked to stop; the model folder is as the last measurement left it.
  case stopped(stage: String, step: Int)

  package var description: String {
    switch self {
    case .notFinite(let stage, let step):
      "\(stage), step \(step): the loss is not finite; lower \(stage).learning_rate"
    case .prompts(let error): error.description
    case .network(let error): error.description
    case .pipeline(let error): error.description
    case .output(let path, let reason): "\(path): cannot be written: \(reason)"
    case .reward(let error): error.description
    case .images(let error): error.description
    case .tokenizer(let error): error.description
    case .stopped(let stage, let step):
      "stopped in stage \(stage) after step \(step); the model folder is as the last measurement "
        + "left it, if there was one"
    }
  }
}
