import DiffusionModels
import FlowMatching
import Foundation
import ImageFiles
import Torch
import TorchNN

/// A second family of models for these tests: a transformer of two blocks on 4 x 8 x 8 latents, a
/// prompt encoder of its own, guidance as an input of the network, and one condition image. Only
/// the components are shared with Stable Diffusion 3.
struct TinyFlowModel: FlowModel {
  static let classNames = ["TinyFlowPipeline"]
  static let transformerClassName = TinyFlowConfiguration.className
  static let defaults = FlowModelDefaults(
    guidance: .embedded, guidanceScale: 2.5, noiseLevel: 0.6, loraTargets: ["mix", "up"],
    maxSequenceLength: 12, sequenceLengths: 1...32, conditionImages: 1...1)
  static let kohyaLayers: KohyaLayers? = nil

  let transformer: StoredNetwork<TinyFlowTransformer>
  let autoencoder: StoredNetwork<AutoencoderKL>
  let scheduler: SchedulerConfiguration
  let geometry: ImageGeometry
  var tileSide: Int?

  init(_ source: ModelSource, training: LearningSetup) throws(PipelineError) {
    scheduler = try Self.scheduler(source)
    transformer = try StoredNetwork(
      folder: "\(source.folder)/transformer", weights: "diffusion_pytorch_model",
      placement: source.placement, learning: training, build: TinyFlowTransformer.init)
    autoencoder = try StoredNetwork(
      folder: "\(source.folder)/vae", weights: "diffusion_pytorch_model",
      placement: source.placement, build: AutoencoderKL.init)
    geometry = try Self.geometry(source, autoencoder.network.configuration)
  }

  /// A model of random weights in a folder.
  static func write(to folder: String, seed: UInt64) throws {
    let generator = Generator(seed: seed)
    let store = ParameterStore(.random(generator))
    let transformer = try TinyFlowTransformer(TinyFlowConfiguration(), store.root)
    let autoencoderStore = ParameterStore(.random(generator))
    let autoencoder = try AutoencoderKL(tinyAutoencoder, autoencoderStore.root)
    try PipelineWriter.writeNetwork(
      transformer.configuration, store, folder: "\(folder)/transformer",
      weights: "diffusion_pytorch_model")
    try PipelineWriter.writeNetwork(
      autoencoder.configuration, autoencoderStore, folder: "\(folder)/vae",
      weights: "diffusion_pytorch_model")
    let textStore = ParameterStore(.random(generator))
    _ = try Embedding(256, TinyFlowConfiguration().width, textStore.root["bytes"])
    try PipelineWriter.writeNetwork(
      TinyFlowTextConfiguration(), textStore, folder: "\(folder)/text_encoder", weights: "model")
    try FileManager.default.createDirectory(
      atPath: "\(folder)/scheduler", withIntermediateDirectories: true)
    try JSONEncoder().encode(SchedulerConfiguration())
      .write(to: URL(filePath: "\(folder)/scheduler/scheduler_config.json"))
    let index = """
      {"_class_name": "\(classNames[0])", "_diffusers_version": "\(diffusersVersion)",
       "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
       "text_encoder": ["tests", "TinyFlowTextEncoder"],
       "transformer": ["tests", "TinyFlowTransformer"], "vae": ["diffusers", "AutoencoderKL"]}
      """
    try index.write(toFile: "\(folder)/model_index.json", atomically: true, encoding: .utf8)
  }

  private static func scheduler(
    _ source: ModelSource
  ) throws(PipelineError) -> SchedulerConfiguration {
    do throws(SchedulerConfigurationError) {
      return try SchedulerConfiguration(path: "\(source.folder)/scheduler/scheduler_config.json")
    } catch {
      throw .scheduler(error)
    }
  }

  private static func geometry(
    _ source: ModelSource, _ autoencoder: AutoencoderKLConfiguration
  ) throws(PipelineError) -> ImageGeometry {
    try ImageGeometry(
      source.imageSize, defaultSide: 8, factor: autoencoder.spatialFactor, patch: 1,
      path: source.folder)
  }
}

extension TinyFlowModel {
  static func metadata(
    of source: ModelSource, training: TrainableWeights
  ) throws(PipelineError) -> FlowModelMetadata {
    let store = ParameterStore(
      .meta, device: .meta, adapters: training.adapters.map { ($0, .meta) },
      trainable: training == .full ? .full : .adapters)
    let (transformer, size) = try NetworkSize.measure(
      "transformer", of: source, store, isUsed: { _ in true }, TinyFlowTransformer.init)
    let (autoencoder, autoencoderSize) = try NetworkSize.measure(
      "vae", of: source, isUsed: { _ in true }, AutoencoderKL.init)
    let geometry = try geometry(source, autoencoder)
    let length = source.maxSequenceLength ?? defaults.maxSequenceLength
    let elements = length * transformer.width + 4 * 64
    let part = 64 * transformer.width
    return FlowModelMetadata(
      geometry: geometry, latentShape: [4, 8, 8],
      sizes: NetworkSizes(transformer: size, autoencoder: autoencoderSize, textEncoders: []),
      trainableParameters: store.trainable.reduce(0) { $0 + $1.tensor.count },
      promptElements: elements, cachedPromptElements: elements,
      work: NetworkWork(forward: Double(2 * size.parameters * 64), training: 6e6),
      activations: {
        ActivationMemory(
          evaluation: 8 * part * $0, kept: 16 * part * $0, keptWithCheckpointing: 9 * part * $0,
          backward: 8 * part * $0)
      },
      decodingBytes: {
        autoencoder.decodingBytes(height: 8, width: 8, elementBytes: $0, device: $1)
      },
      largestDecoded: autoencoder.largestDecoded(height: 8, width: 8))
  }

  static func imageSizes(of folder: String) throws(PipelineError) -> ImageSizes {
    ImageSizes(unit: 4, usualSide: 32)
  }

  static func linearLayers(of folder: String) throws(PipelineError) -> LinearLayers {
    try LinearLayers(folder: folder, TinyFlowTransformer.init)
  }

  static func promptComponents(
    of source: ModelSource
  ) throws(PipelineError) -> PromptComponents {
    PromptComponents(
      folders: ["text_encoder"],
      settings: ["length \(source.maxSequenceLength ?? defaults.maxSequenceLength)"])
  }

  static func promptEncoder(of source: ModelSource) throws(PipelineError) -> any PromptEncoder {
    try TinyFlowPromptEncoder(source)
  }

  var store: ParameterStore { transformer.store }

  func latentShape(count: Int) -> [Int] {
    [count, 4, geometry.latentHeight, geometry.latentWidth]
  }

  func schedule(stepCount: Int) -> FlowSchedule {
    FlowSchedule(scheduler, stepCount: stepCount, grid: .uniform)
  }

  func velocityField(
    of prompts: [PromptEmbeddings], negative: PromptEmbeddings?, embeddedGuidance: Double?,
    checkpointing: GradientCheckpointing?
  ) -> VelocityField {
    precondition(negative == nil, "guidance is an input of the network")
    guard let text = prompts.stacked("text"), let image = prompts.stacked("image") else {
      preconditionFailure("embeddings of another model's encoder")
    }
    let (network, dtype, device) = (transformer.network, dtype, device)
    let (rows, condition) = (text.to(dtype).to(device), image.to(dtype).to(device))
    return { latents, sigma, promptIndices in
      let index = Tensor(promptIndices, shape: [promptIndices.count]).to(device)
      return network(
        latents.to(dtype), sigma: sigma, guidance: embeddedGuidance ?? 1,
        text: rows.indexSelect(dim: 0, index), image: condition.indexSelect(dim: 0, index),
        checkpointing
      ).to(.float32)
    }
  }

  func decoded(_ latents: Tensor) -> Tensor {
    autoencoder.network.decode(latents.to(decoderDType)).to(.float32)
  }

  var decoderDType: DType { autoencoder.store.weights[0].tensor.dtype }
  var tileUnit: Int { autoencoder.network.configuration.tileUnit }

  func write(to folder: String, textFrom source: String?) throws(PipelineError) {
    guard let source else { preconditionFailure("the model has no text encoder of its own") }
    try writeFolder(folder) { draft throws(PipelineError) in
      try PipelineWriter.writeNetwork(
        transformer.network.configuration, store, folder: "\(draft)/transformer",
        weights: "diffusion_pytorch_model")
      try PipelineWriter.copyComponents(
        ["scheduler", "text_encoder", "vae"], from: source, to: draft)
    }
  }
}
