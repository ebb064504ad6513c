package import DiffusionModels
package import Rewards
package import TorchNN

/// Why pretraining failed; the description names the place and a remedy.
package enum PretrainingError: Error, CustomStringConvertible {
  /// A loss is infinite or not a number.
  case notFinite(stage: String, step: Int)
  /// A prompt file or a source image cannot be used.
  case prompts(TrainingError)
  /// A network of the recipe cannot be built.
  case network(ParameterError)
  /// The parts are incompatible, or the pipeline's folder cannot be written.
  case pipeline(PipelineError)
  /// A picture or the model's folder cannot be written.
  case output(path: String, reason: String)
  /// The images of a measurement could not be scored.
  case reward(RewardError)
  /// A prompt of a measurement has no image.
  case images(TrainingError)
  /// Pretraining was stopped; the model folder is that of the last measurement.
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
    case .stopped(let stage, let step):
      "stopped in stage \(stage) after step \(step); the model folder is that of the last "
        + "measurement, if there was one"
    }
  }
}
