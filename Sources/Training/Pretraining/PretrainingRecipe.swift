package import DiffusionModels

/// All settings of a model that is trained from scratch, read from one strict YAML file.
///
/// The keys are documented in `docs/pretraining.md`. Equal recipes on one kind of machine with the
/// same number of threads result in equal weights.
package struct PretrainingRecipe: Sendable, Equatable {
  /// The evidence that the recipe works; nil if the file has none.
  package var evidence: RecipeEvidence?
  /// The diffusers folder to write.
  package var output: String
  /// Seed of images, initial weights, noise and all orders.
  package var seed: UInt64
  /// Processor threads of one operator; nil leaves libtorch's choice.
  package var threads: Int?
  /// The class of the pipeline that is written, `_class_name` of `model_index.json`.
  package var pipeline: String
  package var data: PretrainingDataRecipe
  package var autoencoder: AutoencoderRecipe
  /// The shape of each text encoder: the `text_encoder` section.
  package var textEncoder: TextEncoderShape
  package var transformer: TransformerRecipe
  package var flow: FlowRecipe
  package var evaluation: PretrainingEvaluationRecipe
}

/// The training data: the `data` section.
package struct PretrainingDataRecipe: Sendable, Equatable {
  package var task: PretrainingTask
  /// Prompts of the task, one JSON object a line.
  package var prompts: String
  /// Images rendered before training, cycling through the prompts.
  package var images: Int
}

/// The optimization settings of both stages.
package struct StageRecipe: Sendable, Equatable {
  /// Optimizer steps.
  package var steps: Int
  /// Images of one step.
  package var batch: Int
  /// The learning rate at the start of the half cosine over all steps, which the warmup multiplies.
  package var learningRate: Double
  package var warmupSteps: Int
  /// The learning rate at the end, as a share of `learningRate`.
  package var finalShare: Double
  package var weightDecay: Double
  /// Maximum norm of all gradients together; larger gradients are scaled down.
  package var maxGradNorm: Double
}

/// The `autoencoder` section.
package struct AutoencoderRecipe: Sendable, Equatable {
  /// Channels of each level, full resolution first; each further level halves height and width.
  package var channels: [Int]
  package var latentChannels: Int
  package var layersPerBlock: Int
  /// Groups of the group norms; divides every entry of `channels`.
  package var normGroups: Int
  package var stage: StageRecipe
  /// Weight of the mean squared error, relative to the mean absolute error.
  package var mseWeight: Double
  /// Weight of the KL divergence from the standard normal, per latent element.
  package var klWeight: Double
}

/// The `transformer` section.
package struct TransformerRecipe: Sendable, Equatable {
  package var layers: Int
  /// Blocks with one stream, after the `layers` with two.
  package var singleLayers: Int
  package var heads: Int
  package var headWidth: Int
  /// Side of a patch, in latent pixels.
  package var patch: Int
}

/// The `flow` section: flow matching on the latents of the rendered images.
package struct FlowRecipe: Sendable, Equatable {
  package var stage: StageRecipe
  /// Share of prompts replaced by the empty one, for classifier-free guidance.
  package var captionDropout: Double
  /// Mean of logit(sigma), which is normal (arXiv 2403.03206, section 3.1).
  package var logitMean: Double
  /// Standard deviation of logit(sigma).
  package var logitStd: Double
  /// The highest decay of the averaged weights, which are the ones saved.
  package var emaDecay: Double
  /// `shift` of the saved scheduler; 1 spaces the sigmas of sampling evenly.
  package var shift: Double
  /// `shift_terminal` of the saved scheduler: the sigma before the last step; nil keeps the grid's
  /// own value, which is almost 0.
  package var shiftTerminal: Double?
}

/// The `evaluation` section.
package struct PretrainingEvaluationRecipe: Sendable, Equatable {
  /// Held-out prompts of the task.
  package var prompts: String
  /// Flow-matching steps from one measurement to the next.
  package var every: Int
  /// The number of held-out prompts, from the first, that are measured during training; at the end
  /// all are measured.
  package var count: Int
  /// Denoising steps.
  package var steps: Int
  package var guidanceScale: Double
  /// Seed of the initial noise.
  package var seed: UInt64
  /// A folder for pictures of measured images; nil for none.
  package var samples: String?
}
