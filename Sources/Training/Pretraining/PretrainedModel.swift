import DiffusionModels
import DiffusionPipelines
import FlowMatching
import ShapeScenes
import TextTokenizers
import Torch
import TorchNN

/// The pipeline that is being made: the trained autoencoder, and networks that learn to make its
/// latents.
struct PretrainedModel {
  let pipeline: StableDiffusion3Pipeline
  /// The pipeline's text encoders.
  private let text: PromptEncoder
  /// The pipeline's networks that still learn.
  let networks: FlowNetworks

  /// The trained autoencoder, and new networks for its latents.
  ///
  /// - Parameter texts: what the tokenizers learn their words from.
  /// - Throws: ``PretrainingError/tokenizer(_:)``, `.network` or `.pipeline`.
  init(
    _ recipe: PretrainingRecipe, _ autoencoder: AutoencoderTraining, _ pool: LatentPool,
    texts: [String], generator: Generator
  ) throws(PretrainingError) {
    let tokenizer = try Self.tokenizer(recipe.textEncoder, texts)
    let tokenizers = [tokenizer, tokenizer]
    let measured: StoredNetwork<AutoencoderKL>
    do throws(ParameterError) {
      networks = try FlowNetworks(
        recipe, latentSize: pool.latents.shape[2], tokenizers: tokenizers, generator: generator)
      measured = try autoencoder.measured(shift: pool.shift, scale: pool.scale)
    } catch {
      throw .network(error)
    }
    do throws(PipelineError) {
      text = try PromptEncoder(textEncoders: networks.textEncoders, tokenizers: tokenizers)
      pipeline = try StableDiffusion3Pipeline(
        transformer: networks.transformer, autoencoder: measured, text: text,
        scheduler: recipe.flow.scheduler)
    } catch {
      throw .pipeline(error)
    }
  }

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

  /// What the flow learns from.
  func data(
    _ pool: LatentPool, _ images: RenderedImages, _ prompts: [ScenePrompt]
  ) -> FlowPretraining.Data {
    let tokenizers = text.tokenizers
    return FlowPretraining.Data(
      pool: pool, promptIndices: images.promptIndices,
      tokens: tokenizers.map { tokenizer in prompts.map { tokenizer.encodePadded($0.prompt) } },
      emptyTokens: tokenizers.map { $0.encodePadded("") }, zeroRowCount: text.maxSequenceLength)
  }

  /// Numbers learnt, per component.
  var parameterCounts: [String: Int] {
    var counts = [
      "vae": count(pipeline.autoencoder.store), "transformer": count(pipeline.transformer.store),
    ]
    for (encoder, folder) in zip(text.textEncoders, FlowNetworks.textFolders) {
      counts[folder] = count(encoder.store)
    }
    return counts
  }

  private func count(_ store: ParameterStore) -> Int {
    store.parameters.reduce(0) { $0 + $1.tensor.count }
  }
}

extension FlowRecipe {
  /// The scheduler that is saved with the model.
  var scheduler: SchedulerConfiguration {
    var configuration = SchedulerConfiguration()
    configuration.shift = shift
    configuration.terminalSigma = shiftTerminal
    return configuration
  }
}
