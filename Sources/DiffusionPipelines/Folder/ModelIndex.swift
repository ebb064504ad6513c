import DiffusionModels
import Foundation

/// `model_index.json`: the class of the pipeline and of each of its components.
package struct ModelIndex {
  package static let fileName = "model_index.json"
  private static let pipelineClass = "StableDiffusion3Pipeline"

  /// The folder that the index lies in.
  package let folder: String
  /// Whether the model has T5 beside the two CLIP text encoders. A model that was saved without it
  /// may keep T5's tokenizer, which is then not used.
  package let hasT5: Bool
  /// Whether the index names T5's tokenizer.
  private let namesT5Tokenizer: Bool

  /// A component of the pipeline, with library and the classes it may have; the first is written.
  private typealias Component = (name: String, library: String, classes: [String])

  private static let components: [Component] = [
    ("scheduler", "diffusers", ["FlowMatchEulerDiscreteScheduler"]),
    ("text_encoder", "transformers", [CLIPTextConfiguration.className]),
    ("text_encoder_2", "transformers", [CLIPTextConfiguration.className]),
    ("tokenizer", "transformers", ["CLIPTokenizer", "CLIPTokenizerFast"]),
    ("tokenizer_2", "transformers", ["CLIPTokenizer", "CLIPTokenizerFast"]),
    ("transformer", "diffusers", [SD3TransformerConfiguration.className]),
    ("vae", "diffusers", [AutoencoderKLConfiguration.className]),
  ]

  /// T5, which a model has or has not.
  private static let t5Components: [Component] = [
    ("text_encoder_3", "transformers", [T5Configuration.className]),
    ("tokenizer_3", "transformers", ["T5TokenizerFast", "T5Tokenizer"]),
  ]

  /// Components diffusers knows that must be absent: images as prompts.
  private static let absentComponents = ["image_encoder", "feature_extractor"]

  /// Reads and checks the index of the pipeline in `folder`.
  ///
  /// - Throws: `PipelineError` for a file that cannot be read, a wrong class, an unknown component.
  package init(folder: String) throws(PipelineError) {
    let path = "\(folder)/\(Self.fileName)"
    let entries = try Self.read(path)
    guard case .text(let name)? = entries["_class_name"], name == Self.pipelineClass else {
      throw .wrongClass(
        path: path, component: "_class_name", expected: Self.pipelineClass,
        found: entries["_class_name"]?.name)
    }
    hasT5 = entries["text_encoder_3"]?.name != nil
    namesT5Tokenizer = entries["tokenizer_3"]?.name != nil
    for (component, _, expected) in Self.components + (hasT5 ? Self.t5Components : []) {
      let found = entries[component]?.name
      guard let found, expected.contains(found) else {
        throw .wrongClass(path: path, component: component, expected: expected[0], found: found)
      }
    }
    for component in Self.absentComponents {
      guard let found = entries[component]?.name else { continue }
      throw .unsupported(
        path: path, key: component, reason: "\(found) is not known; only null can be followed")
    }
    let known = Set(
      (Self.components + Self.t5Components).map(\.name) + Self.absentComponents)
    for key in entries.keys.sorted() where !known.contains(key) && !key.hasPrefix("_") {
      throw .unknownKey(path: path, key: key)
    }
    self.folder = folder
  }

  /// The folders that text encoders and tokenizers are read from.
  package var textComponents: [String] {
    let suffixes = clipSuffixes + (hasT5 ? ["_3"] : [])
    return suffixes.flatMap { ["text_encoder\($0)", "tokenizer\($0)"] }
  }

  /// The folders that a copy of the model's text parts holds: all that the index names, as
  /// diffusers opens them all.
  var copiedTextComponents: [String] {
    textComponents + (namesT5Tokenizer && !hasT5 ? ["tokenizer_3"] : [])
  }

  /// The text of the index of a model without T5.
  static func json() throws -> Data {
    var entries: [String: Entry] = [
      "_class_name": .text(pipelineClass), "_diffusers_version": .text(diffusersVersion),
    ]
    for component in components {
      entries[component.name] = .pair([component.library, component.classes[0]])
    }
    for component in t5Components.map(\.name) + absentComponents {
      entries[component] = .pair([nil, nil])
    }
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
      guard !container.decodeNil() else {
        self = .other
        return
      }
      do {
        self = .text(try container.decode(String.self))
      } catch DecodingError.typeMismatch {
        do {
          self = .pair(try container.decode([String?].self))
        } catch DecodingError.typeMismatch {
          // A number, a switch, an object, or a list that holds other than names.
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
