import Torch
public import TorchNN

/// CLIP's text encoder with its projection (transformers' `CLIPTextModelWithProjection`).
///
/// B prompts of T tokens, width D, projected width P.
public struct CLIPTextModelWithProjection {
  let encoder: CLIPTextModel
  let projection: Linear

  public var configuration: CLIPTextConfiguration { encoder.configuration }

  /// Builds the network from parameters named as in a transformers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: CLIPTextConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    encoder = try CLIPTextModel(configuration, parameters)
    projection = try Linear(
      configuration.hiddenSize, configuration.projectionDim, bias: false,
      parameters["text_projection"])
  }

  /// Encodes prompts of equal length; the tokenizer pads them.
  ///
  /// - Parameter prompts: token ids; at most `maxPositionEmbeddings` each.
  /// - Returns: `pooled` after the projection, `[B, P]`.
  public func callAsFunction(_ prompts: [[Int]]) -> CLIPTextModel.Output {
    let output = encoder(prompts)
    return CLIPTextModel.Output(
      penultimate: output.penultimate, pooled: projection(output.pooled))
  }
}
