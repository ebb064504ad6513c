public import Torch

/// What the transformer is conditioned on: prompt embeddings and, for an edit, the source image. B
/// samples, T tokens of width J, pooled width P.
public struct FluxConditioning {
  /// T5's hidden states, padding included, which is not masked. `[B, T, J]`, or `[B, T, D]` after
  /// the context embedder.
  public let rows: Tensor
  /// CLIP's pooled prompt. `[B, P]`
  public let pooled: Tensor
  /// The source images; nil without.
  public let source: FluxSource?
  /// Whether `rows` are outputs of the transformer's context embedder.
  public let isEmbedded: Bool

  public init(rows: Tensor, pooled: Tensor, source: FluxSource? = nil) {
    self.init(rows: rows, pooled: pooled, source: source, isEmbedded: false)
  }

  init(rows: Tensor, pooled: Tensor, source: FluxSource?, isEmbedded: Bool) {
    precondition(rows.rank == 3 && pooled.rank == 2, "rows [B, T, J] and pooled [B, P]")
    self.rows = rows
    self.pooled = pooled
    self.source = source
    self.isEmbedded = isEmbedded
  }

  /// The embeddings of a ``FluxPromptEncoder``.
  init(_ prompts: [PromptEmbeddings]) {
    guard let rows = prompts.stacked("t5"), let pooled = prompts.stacked("pooled") else {
      preconditionFailure("embeddings of another model's encoders")
    }
    self.init(
      rows: rows, pooled: pooled, source: prompts.stacked("source").map { FluxSource($0) })
  }

  /// Number of samples.
  public var count: Int { pooled.shape[0] }

  /// The conditioning with `change` applied to its tensors, for a change of samples, precision or
  /// device.
  func mapped(_ change: (Tensor) -> Tensor) -> FluxConditioning {
    FluxConditioning(
      rows: change(rows), pooled: change(pooled), source: source?.mapped(change),
      isEmbedded: isEmbedded)
  }

  /// The conditioning whose sample `i` is sample `samples[i]` of this one.
  public func selecting(_ samples: [Int]) -> FluxConditioning {
    let index = Tensor(samples, shape: [samples.count]).to(pooled.device)
    return mapped { $0.indexSelect(dim: 0, index) }
  }
}

/// Source images of edits as tokens behind those of the image: 2 x 2 latent pixels each. B samples,
/// S' tokens.
public struct FluxSource {
  /// `[B, S', 4 C]`
  public let tokens: Tensor
  /// Height and width of the latents, in latent pixels.
  public let height, width: Int

  /// - Parameter latents: of the source images, normalized as those of the transformer.
  ///   `[B, C, h, w]`
  public init(_ latents: Tensor) {
    self.init(packed(latents), height: latents.shape[2], width: latents.shape[3])
  }

  private init(_ tokens: Tensor, height: Int, width: Int) {
    self.tokens = tokens
    self.height = height
    self.width = width
  }

  func mapped(_ change: (Tensor) -> Tensor) -> FluxSource {
    FluxSource(change(tokens), height: height, width: width)
  }
}
