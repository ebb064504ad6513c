import DiffusionModels
import FlowMatching
import Foundation
import ShapeScenes
import TextTokenizers
import Torch
import TorchNN

/// A Stable Diffusion 3 pipeline of a few thousand random weights for images of 32 x 32 pixels.
///
/// - Parameter seed: of the weights.
func writeTinyModel(to folder: String, seed: UInt64 = 3) throws {
  let generator = Generator(seed: seed)
  let transformerStore = ParameterStore(.random(generator))
  let transformer = try SD3Transformer2DModel(tinyTransformer, transformerStore.root)
  let autoencoderStore = ParameterStore(.random(generator))
  let autoencoder = try AutoencoderKL(tinyAutoencoder, autoencoderStore.root)
  let vocabulary = try BytePairVocabulary.train(on: shapePrompts(20).map(\.prompt), mergeLimit: 60)
  let tokenizer = try CLIPTokenizer(vocabulary: vocabulary, modelMaxLength: 16)
  var encoders: [StoredNetwork<CLIPTextModelWithProjection>] = []
  for _ in 0..<2 {
    let store = ParameterStore(.random(generator))
    encoders.append(
      StoredNetwork(
        try CLIPTextModelWithProjection(tinyTextEncoder(tokenizer), store.root), store))
  }
  let pipeline = try StableDiffusion3Pipeline(
    transformer: StoredNetwork(transformer, transformerStore),
    autoencoder: StoredNetwork(autoencoder, autoencoderStore),
    text: SD3PromptEncoder(textEncoders: encoders, tokenizers: [tokenizer, tokenizer]),
    scheduler: SchedulerConfiguration())
  try pipeline.write(to: folder)
}

/// Two blocks of width 16 over 16 tokens.
var tinyTransformer: SD3TransformerConfiguration {
  var configuration = SD3TransformerConfiguration()
  configuration.sampleSize = 8
  configuration.patchSize = 2
  configuration.inChannels = 4
  configuration.outChannels = 4
  configuration.numLayers = 2
  configuration.attentionHeadDim = 8
  configuration.numAttentionHeads = 2
  configuration.jointAttentionDim = 16
  configuration.captionProjectionDim = 16
  configuration.pooledProjectionDim = 16
  configuration.posEmbedMaxSize = 8
  configuration.qkNorm = .rmsNorm
  return configuration
}

/// 8 x 8 latents to 32 x 32 pixels.
var tinyAutoencoder: AutoencoderKLConfiguration {
  var configuration = AutoencoderKLConfiguration()
  configuration.blockOutChannels = [8, 8, 8]
  configuration.downBlockTypes = Array(repeating: "DownEncoderBlock2D", count: 3)
  configuration.upBlockTypes = Array(repeating: "UpDecoderBlock2D", count: 3)
  configuration.normNumGroups = 4
  configuration.midBlockAddAttention = false
  configuration.useQuantConv = false
  configuration.usePostQuantConv = false
  configuration.scalingFactor = 1
  configuration.shiftFactor = 0
  return configuration
}

private func tinyTextEncoder(_ tokenizer: CLIPTokenizer) -> CLIPTextConfiguration {
  var configuration = tinyTextEncoder
  configuration.vocabSize = tokenizer.vocabulary.count
  configuration.bosTokenId = tokenizer.startID
  configuration.eosTokenId = tokenizer.endID
  configuration.padTokenId = tokenizer.padID
  return configuration
}

/// Two layers of width 8, for any tokenizer.
var tinyTextEncoder: CLIPTextConfiguration {
  var configuration = CLIPTextConfiguration()
  configuration.hiddenSize = 8
  configuration.intermediateSize = 16
  configuration.projectionDim = 8
  configuration.numHiddenLayers = 2
  configuration.numAttentionHeads = 1
  configuration.maxPositionEmbeddings = 16
  return configuration
}
