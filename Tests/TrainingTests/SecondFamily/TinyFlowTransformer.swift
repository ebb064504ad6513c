import DiffusionModels
import ImageFiles
import Torch
import TorchNN

/// `transformer/config.json`.
struct TinyFlowConfiguration: ModelConfiguration {
  var width = 16
  var blocks = 2

  enum CodingKeys: String, CodingKey, CaseIterable {
    case width, blocks
  }

  static let className = "TinyFlowTransformer"
  static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  static let harmlessKeys: Set<String> = []
  static let header = ["_class_name": ConfigurationHeaderValue.text(className)]
  func validate() throws(ConfigurationProblem) {}
}

/// `text_encoder/config.json`.
struct TinyFlowTextConfiguration: ModelConfiguration {
  var bytes = 256

  enum CodingKeys: String, CodingKey, CaseIterable {
    case bytes
  }

  static let className = "TinyFlowTextEncoder"
  static let knownKeys = CodingKeys.allCases.map(\.rawValue)
  static let harmlessKeys: Set<String> = []
  static let header = ["_class_name": ConfigurationHeaderValue.text(className)]
  func validate() throws(ConfigurationProblem) {}
}

/// Two blocks over the pixels of the latents beside those of the condition image.
struct TinyFlowTransformer {
  let configuration: TinyFlowConfiguration
  private let input, time, text, output: Linear
  private let blocks: [Block]

  private struct Block {
    let norm: LayerNorm
    let mix, up, down: Linear

    init(_ width: Int, _ parameters: ParameterScope) throws(ParameterError) {
      norm = try LayerNorm(width, affine: false, parameters["norm"])
      mix = try Linear(width, width, parameters["mix"])
      up = try Linear(width, 2 * width, parameters["up"])
      down = try Linear(2 * width, width, parameters["down"])
    }

    /// `[B, S, D], [B, 1, D] -> [B, S, D]`
    func callAsFunction(_ x: Tensor, _ shift: Tensor) -> Tensor {
      let hidden = norm(x) + shift
      let context = mix(hidden.mean(dims: [1], keepDim: true))
      return x + down(up(hidden + context).gelu(approximate: .tanh))
    }
  }

  init(
    _ configuration: TinyFlowConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let width = configuration.width
    input = try Linear(8, width, parameters["input"])
    time = try Linear(2, width, parameters["time"])
    text = try Linear(width, width, parameters["text"])
    var blocks: [Block] = []
    for index in 0..<configuration.blocks {
      blocks.append(try Block(width, parameters["blocks"][index]))
    }
    self.blocks = blocks
    output = try Linear(width, 4, parameters["output"])
  }

  /// `[B, 4, h, w], [B], [B, T, D], [B, 4, h, w] -> [B, 4, h, w]`
  func callAsFunction(
    _ latents: Tensor, sigma: Tensor, guidance: Double, text rows: Tensor, image: Tensor,
    _ checkpointing: GradientCheckpointing?
  ) -> Tensor {
    let shape = latents.shape
    let pixels = Tensor.cat([latents, image], dim: 1).flattened(from: 2, to: -1)
      .permuted([0, 2, 1])
    let clock = Tensor.stack([sigma, sigma * 0 + guidance / 10], dim: 1).to(latents.dtype)
    let shift = (time(clock) + text(rows.mean(dims: [1], keepDim: false))).unsqueezed(1)
    let (state, _) = BlockLoop()(
      [input(pixels)], shared: [shift], count: blocks.count, checkpointing: checkpointing
    ) { index, state, shared in [blocks[index](state[0], shared[0])] }
    return output(state[0]).permuted([0, 2, 1]).reshaped(shape)
  }
}

/// The bytes of a prompt, looked up in a table, and the condition image at the size of the latents.
struct TinyFlowPromptEncoder: PromptEncoder {
  private let table: Tensor
  private let length: Int

  init(_ source: ModelSource) throws(PipelineError) {
    let weights = try source.placement.open(
      folder: "\(source.folder)/text_encoder", baseName: "model")
    guard let table = weights.tensors["bytes.weight"] else {
      throw .inconsistent(path: weights.path, reason: "there is no table of bytes")
    }
    self.table = table
    length = source.maxSequenceLength ?? TinyFlowModel.defaults.maxSequenceLength
  }

  func encode(_ prompts: [PromptInput]) -> [PromptEmbeddings] {
    prompts.map { prompt in
      // One length for all prompts, so that they can be stacked; the rest is zero.
      var bytes = Array(prompt.text.utf8.prefix(length)).map { Int($0) }
      bytes += [Int](repeating: 0, count: length - bytes.count)
      let small = prompt.images[0].resized(width: 8, height: 8, filter: .bicubic)
      let values = (0..<4).flatMap { channel in
        (0..<64).map { Float(small.pixels[3 * $0 + channel % 3]) / 127.5 - 1 }
      }
      return PromptEmbeddings([
        ("text", table.indexSelect(dim: 0, Tensor(bytes, shape: [length]))),
        ("image", Tensor(values, shape: [4, 8, 8])),
      ])
    }
  }

  func truncation(of prompt: String) -> PromptTruncation? {
    prompt.utf8.count > length ? PromptTruncation(encoders: "table of bytes", tokens: length, longest: nil) : nil
  }
}
