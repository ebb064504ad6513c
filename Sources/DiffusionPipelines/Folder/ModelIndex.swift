import DiffusionModels
import Foundation

/// `model_index.json`: the class of the pipeline and of each of its components.
struct ModelIndex {
  static let fileName = "model_index.json"
  static let pipelineClass = "StableDiffusion3Pipeline"

  /// Components a Stable Diffusion 3 pipeline without T5 has, with library and class.
  static let components: [(name: String, library: String, className: String)] = [
    ("scheduler", "diffusers", "FlowMatchEulerDiscreteScheduler"),
    ("text_encoder", "transformers", CLIPTextConfiguration.className),
    ("text_encoder_2", "transformers", CLIPTextConfiguration.className),
    ("tokenizer", "transformers", "CLIPTokenizer"),
    ("tokenizer_2", "transformers", "CLIPTokenizer"),
    ("transformer", "diffusers", SD3TransformerConfiguration.className),
    ("vae", "diffusers", AutoencoderKLConfiguration.className),
  ]

  /// Components diffusers knows that must be absent here: T5, and images as prompts.
  static let absentComponents = [
    "text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor",
  ]

  /// Reads and checks the index of the pipeline in `folder`.
  static func check(folder: String) throws(PipelineError) {
    let path = "\(folder)/\(fileName)"
    let entries = try read(path)
    guard case .text(let name)? = entries["_class_name"], name == pipelineClass else {
      throw .wrongClass(
        path: path, component: "_class_name", expected: pipelineClass,
        found: entries["_class_name"]?.name)
    }
    for (component, _, expected) in components {
      let found = entries[component]?.name
      let isFast = expected == "CLIPTokenizer" && found == "CLIPTokenizerFast"
      guard found == expected || isFast else {
        throw .wrongClass(path: path, component: component, expected: expected, found: found)
      }
    }
    for component in absentComponents {
      guard let found = entries[component]?.name else { continue }
      throw .unsupported(
        path: path, key: component, reason: "\(found) is not known; only null can be followed")
    }
    let known = Set(components.map(\.name) + absentComponents)
    for key in entries.keys.sorted() where !known.contains(key) && !key.hasPrefix("_") {
      throw .unknownKey(path: path, key: key)
    }
  }

  /// The text of an index.
  static func json() throws -> Data {
    var entries: [String: Entry] = [
      "_class_name": .text(pipelineClass), "_diffusers_version": .text(diffusersVersion),
    ]
    for component in components {
      entries[component.name] = .pair([component.library, component.className])
    }
    for component in absentComponents { entries[component] = .pair([nil, nil]) }
    return try prettyJSON(entries)
  }

  private static func read(_ path: String) throws(PipelineError) -> [String: Entry] {
    try reading(path) {
      try JSONDecoder().decode(
        [String: Entry].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
  }

  /// A value of the index: text for the header, library and class for a component.
  private enum Entry: Codable {
    case text(String)
    case pair([String?])
    case other

    /// The class it names, or the text.
    var name: String? {
      switch self {
      case .text(let text): text
      case .pair(let names): names.count == 2 ? names[1] : nil
      case .other: nil
      }
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      do {
        self = .text(try container.decode(String.self))
      } catch DecodingError.typeMismatch {
        do {
          self = .pair(try container.decode([String?].self))
        } catch DecodingError.typeMismatch {
          self = .other
        }
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .text(let text): try container.encode(text)
      case .pair(let names): try container.encode(names)
      case .other: try container.encodeNil()
      }
    }
  }
}

/// The text of a Hugging Face configuration file: two spaces, sorted keys.
func prettyJSON(_ value: some Encodable) throws -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  return try encoder.encode(value) + Data("\n".utf8)
}
