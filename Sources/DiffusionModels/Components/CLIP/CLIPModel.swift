public import Torch
public import TorchNN

/// CLIP's two towers and the temperature of their similarity (transformers' `CLIPModel`).
public struct CLIPModel {
  public let text: CLIPTextModelWithProjection
  public let vision: CLIPVisionModelWithProjection
  /// The logarithm of the factor by which training scaled similarities (`logit_scale`). `[]`
  public let logitScale: Tensor

  /// Builds the network from parameters named as in a transformers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: CLIPConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    text = try CLIPTextModelWithProjection(configuration.text, parameters)
    vision = try CLIPVisionModelWithProjection(configuration.vision, parameters)
    logitScale = try parameters.tensor("logit_scale", shape: [], initial: .constant(2.6592))
  }
}
