internal import DiffusionModels
internal import DiffusionPipelines
internal import Foundation
internal import Torch
internal import TorchNN

/// The size of one network of a model folder.
struct NetworkOutline {
  /// Numbers of all weights, adapters not counted.
  let parameters: Int
  /// Numbers that a run reads: all but tables of which it takes a few rows, and an autoencoder's
  /// way from images to latents.
  let used: Int
  /// The precision of the files; nil while they are not there.
  let stored: DType?

  /// Bytes in memory. Weights that stay in their mapped file count as far as they are read.
  func bytes(in dtype: DType, device: Device, copied: Bool = false) -> Int {
    let isMapped = device == .cpu && stored == dtype && !copied
    return dtype.byteCount * (isMapped ? used : parameters)
  }
}

/// What a model folder says of its size: its configuration files, and the headers of its weights.
struct ModelMetadata {
  let transformer: SD3TransformerConfiguration
  let autoencoder: AutoencoderKLConfiguration
  /// Numbers that learn under the recipe.
  let learnedParameters: Int
  let transformerSize: NetworkOutline
  let autoencoderSize: NetworkOutline
  /// The sizes of one image.
  let geometry: ImageGeometry
  let textSizes: [NetworkOutline]
  /// Rows of a prompt that are stored.
  let promptRows: Int
  /// Rows of zeros that stand for a text encoder that is absent.
  let zeroRows: Int

  /// Reads the configurations and builds the networks without memory.
  ///
  /// - Throws: `TrainingError.model` when the folder is not a Stable Diffusion 3 pipeline, or an
  ///   adapter target matches nothing; whatever is wrong with `lora.init_from`.
  init(_ recipe: TrainingRecipe) throws(TrainingError) {
    let learning = ParameterStore(
      .meta, device: .meta, adapters: recipe.learning.adapters.map { ($0, .meta) },
      trainable: recipe.learning == .full ? .full : .adapters)
    (transformer, transformerSize) = try Self.outline(
      "transformer", of: recipe, learning, SD3Transformer2DModel.init)
    learnedParameters = learning.trainable.reduce(0) { $0 + $1.tensor.count }
    (autoencoder, autoencoderSize) = try Self.outline(
      "vae", of: recipe, ParameterStore(.meta, device: .meta), AutoencoderKL.init)
    let (transformer, autoencoder) = (transformer, autoencoder)
    geometry = try ofModel { () throws(PipelineError) in
      try ImageGeometry(recipe.resolution, transformer, autoencoder, path: recipe.model)
    }
    // Text encoders may be gone once their prompts are encoded.
    func isThere(_ component: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(recipe.model)/\(component)/config.json")
    }
    var sizes: [NetworkOutline] = []
    var rows = CLIPTextConfiguration().maxPositionEmbeddings
    for component in ["text_encoder", "text_encoder_2"] where isThere(component) {
      let (configuration, size) = try Self.outline(
        component, of: recipe, ParameterStore(.meta, device: .meta),
        CLIPTextModelWithProjection.init)
      sizes.append(size)
      rows = configuration.maxPositionEmbeddings
    }
    let hasT5 = try Self.hasT5(recipe.model)
    if hasT5, isThere("text_encoder_3") {
      let (_, size) = try Self.outline(
        "text_encoder_3", of: recipe, ParameterStore(.meta, device: .meta), T5EncoderModel.init)
      sizes.append(size)
    }
    _ = try recipe.initialAdapters()
    textSizes = sizes
    promptRows = rows + (hasT5 ? recipe.maxSequenceLength : 0)
    zeroRows = hasT5 ? 0 : recipe.maxSequenceLength
  }

  /// Shape of one latent, `[C, h, w]`.
  var latentShape: [Int] {
    [transformer.inChannels, geometry.latentHeight, geometry.latentWidth]
  }

  /// Whether the model has T5, by its index where there is one.
  private static func hasT5(_ model: String) throws(TrainingError) -> Bool {
    let files = FileManager.default
    guard files.fileExists(atPath: "\(model)/\(ModelIndex.fileName)") else {
      return files.fileExists(atPath: "\(model)/text_encoder_3/config.json")
    }
    return try ofModel { () throws(PipelineError) in try ModelIndex(folder: model).hasT5 }
  }

  private static func outline<Configuration: ModelConfiguration, Network>(
    _ component: String, of recipe: TrainingRecipe, _ store: ParameterStore,
    _ build: (Configuration, ParameterScope) throws(ParameterError) -> Network
  ) throws(TrainingError) -> (Configuration, NetworkOutline) {
    let folder = "\(recipe.model)/\(component)"
    let configuration: Configuration
    do throws(ModelError) {
      configuration = try Configuration(contentsOf: "\(folder)/config.json")
    } catch {
      throw .model(error.description)
    }
    do throws(ParameterError) {
      _ = try build(configuration, store.root)
      try store.finish()
    } catch {
      throw .model("\(folder): \(error.description)")
    }
    func count(_ weights: [ParameterStore.Named]) -> Int {
      weights.reduce(0) { $0 + $1.tensor.count }
    }
    let size = NetworkOutline(
      parameters: count(store.weights), used: count(store.weights.filter { isUsed($0.name) }),
      stored: try stored(folder, recipe))
    return (configuration, size)
  }

  private static func isUsed(_ name: String) -> Bool {
    !name.hasPrefix("encoder.down_blocks.") && !name.hasPrefix("encoder.mid_block.")
      && name != "pos_embed.pos_embed" && !name.hasSuffix("token_embedding.weight")
  }

  /// The precision of a component's weights, by the first tensor of its header.
  private static func stored(
    _ folder: String, _ recipe: TrainingRecipe
  ) throws(TrainingError) -> DType? {
    for variant in [recipe.variant, nil] {
      for name in ["diffusion_pytorch_model", "model"]
      where WeightsFile.exists(folder: folder, baseName: name, variant: variant) {
        do throws(SafetensorsError) {
          return try WeightsFile.open(folder: folder, baseName: name, variant: variant)
            .tensors.values.first?.dtype
        } catch {
          throw .model(error.description)
        }
      }
    }
    return nil
  }
}
