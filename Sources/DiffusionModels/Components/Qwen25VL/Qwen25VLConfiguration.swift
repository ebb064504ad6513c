/// `config.json` of transformers' `Qwen2_5_VLForConditionalGeneration`, of which the language model
/// is used; defaults are those of Qwen2.5-VL-7B.
///
/// The language model's entries are at the top in the folder of Qwen2.5-VL, in `text_config` as
/// transformers 5 writes them, and in both places in Qwen-Image's folder.
public struct Qwen25VLConfiguration: ModelConfiguration {
  public var language = Qwen2Configuration()

  /// The values of Qwen2.5-VL-7B.
  public init() {}

  /// As in transformers, `text_config` decides where it is there.
  ///
  /// - Throws: also if the entries at the top contradict it.
  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    guard file.contains(.language), try !file.decodeNil(forKey: .language) else {
      try Qwen2Configuration.checkSizes(decoder)
      language = try Qwen2Configuration(from: decoder)
      return
    }
    let section = CodingKeys.language.rawValue
    try file.checkKeys(
      .language, known: Qwen2Configuration.knownKeys, harmless: Qwen2Configuration.harmlessKeys)
    let inner = try file.superDecoder(forKey: .language)
    try Qwen2Configuration.checkSizes(inner)
    language = try Qwen2Configuration(from: inner)
    do throws(ConfigurationProblem) {
      try language.validate()
    } catch {
      throw ConfigurationProblem("\(section).\(error.key)", error.reason)
    }
    let outer = try Qwen2Configuration(from: decoder, defaults: language)
    if let key = outer.difference(from: language) {
      throw ConfigurationProblem(key, "differs from \(section).\(key)")
    }
  }

  private enum CodingKeys: String, CodingKey {
    case language = "text_config"
  }

  public static let className = "Qwen2_5_VLForConditionalGeneration"
  public static let knownKeys = Qwen2Configuration.knownKeys + [CodingKeys.language.rawValue]
  /// The vision tower is not read.
  public static let harmlessKeys = Qwen2Configuration.harmlessKeys.union(["vision_config"])
  public static let header: [String: ConfigurationHeaderValue] = [
    "architectures": .list([className]), "model_type": .text("qwen2_5_vl"),
  ]

  public func validate() throws(ConfigurationProblem) { try language.validate() }
}
