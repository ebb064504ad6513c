import DiffusionModels
import FlowMatching
import ShapeScenes
import TextTokenizers
import Torch
import TorchNN

/// The pipeline in training: the trained autoencoder, and the networks of the flow over its
/// latents.
struct PretrainedModel {
  let model: any PretrainableModel

  /// Creates the pipeline from the trained autoencoder, with new networks for its latents.
  ///
  /// - Parameter texts: the prompts of the tokenizers' vocabulary.
  /// - Throws: ``PretrainingError/network(_:)`` or `.pipeline`.
  init(
    _ recipe: PretrainingRecipe, _ autoencoder: AutoencoderTraining, _ pool: LatentPool,
    texts: [String], generator: Generator
  ) throws(PretrainingError) {
    let measured: StoredNetwork<AutoencoderKL>
    do throws(ParameterError) {
      measured = try autoencoder.measured(shift: pool.shift, scale: pool.scale)
    } catch {
      throw .network(error)
    }
    do throws(PipelineError) {
      model = try recipe.family.init(
        untrained: recipe.transformerShape(latentSide: pool.latents.shape[2]),
        text: recipe.textEncoder, className: recipe.pipeline, vocabularyOf: texts,
        autoencoder: measured, scheduler: recipe.flow.scheduler, generator: generator)
    } catch {
      throw .pipeline(error)
    }
  }

  /// The encoder of prompts for measurements.
  var encoder: any PromptEncoder { model.pretrainedEncoder }

  /// The training data of the flow.
  func data(_ pool: LatentPool, _ images: RenderedImages, _ texts: [String]) -> FlowPretraining.Data
  {
    FlowPretraining.Data(
      pool: pool, promptIndices: images.promptIndices, tokens: model.tokens(of: texts),
      emptyTokens: model.tokens(of: [""]).map { $0[0] })
  }
}

extension FlowRecipe {
  /// The scheduler of the saved model.
  var scheduler: SchedulerConfiguration {
    var configuration = SchedulerConfiguration()
    configuration.shift = shift
    configuration.terminalSigma = shiftTerminal
    return configuration
  }
}
