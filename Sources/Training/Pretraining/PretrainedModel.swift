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
  /// The model's text encoders.
  private let text: PretrainedText

  /// Creates the pipeline from the trained autoencoder, with new networks for its latents.
  ///
  /// - Parameter texts: the prompts of the tokenizers' vocabulary.
  /// - Throws: ``PretrainingError/tokenizer(_:)``, `.network` or `.pipeline`.
  init(
    _ recipe: PretrainingRecipe, _ autoencoder: AutoencoderTraining, _ pool: LatentPool,
    texts: [String], generator: Generator
  ) throws(PretrainingError) {
    let tokenizer = try Self.tokenizer(recipe.textEncoder, texts)
    let measured: StoredNetwork<AutoencoderKL>
    do throws(ParameterError) {
      text = try PretrainedText(
        recipe.textEncoder, [tokenizer, tokenizer], generator: generator)
      measured = try autoencoder.measured(shift: pool.shift, scale: pool.scale)
    } catch {
      throw .network(error)
    }
    do throws(PipelineError) {
      model = try FlowModelRegistry.pretrained.init(
        untrained: recipe.transformerShape(latentSide: pool.latents.shape[2]), text: text,
        autoencoder: measured, scheduler: recipe.flow.scheduler, generator: generator)
    } catch {
      throw .pipeline(error)
    }
  }

  /// The encoder of prompts for measurements.
  var encoder: any PromptEncoder { model.pretrainedEncoder }

  private static func tokenizer(
    _ recipe: TextEncoderRecipe, _ texts: [String]
  ) throws(PretrainingError) -> CLIPTokenizer {
    do throws(TokenizerError) {
      return try CLIPTokenizer(
        vocabulary: .train(on: texts, mergeLimit: recipe.merges), modelMaxLength: recipe.tokens)
    } catch {
      throw .tokenizer(error)
    }
  }

  /// The training data of the flow.
  func data(
    _ pool: LatentPool, _ images: RenderedImages, _ prompts: [ScenePrompt]
  ) -> FlowPretraining.Data {
    let tokenizers = text.tokenizers
    return FlowPretraining.Data(
      pool: pool, promptIndices: images.promptIndices,
      tokens: tokenizers.map { tokenizer in prompts.map { tokenizer.encodePadded($0.prompt) } },
      emptyTokens: tokenizers.map { $0.encodePadded("") })
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
