/// `text_encoder/config.json` of transformers' `CLIPTextModel`: the keys of the model with a
/// projection, whose width is not used.
public struct CLIPTextModelConfiguration: ModelConfiguration {
  public var text: CLIPTextConfiguration

  public init(_ text: CLIPTextConfiguration = CLIPTextConfiguration()) { self.text = text }

  public init(from decoder: any Decoder) throws { text = try CLIPTextConfiguration(from: decoder) }

  public func encode(to encoder: any Encoder) throws { try text.encode(to: encoder) }

  public static let className = "CLIPTextModel"
  public static let knownKeys = CLIPTextConfiguration.knownKeys
  public static let harmlessKeys = CLIPTextConfiguration.harmlessKeys
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("clip_text_model"),
  ]

  public func validate() throws(ConfigurationProblem) { try text.validate() }
}
