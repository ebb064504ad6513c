import TextTokenizers

/// The widths of a transformer's prompt inputs.
struct SD3TextShape {
  /// J, `joint_attention_dim`.
  let rowWidth: Int
  /// P, `pooled_projection_dim`.
  let pooledWidth: Int

  init(_ configuration: SD3TransformerConfiguration) {
    rowWidth = configuration.jointAttentionDim
    pooledWidth = configuration.pooledProjectionDim
  }

  /// Reads `transformer/config.json` of a pipeline folder.
  init(folder: String) throws(PipelineError) {
    self.init(
      try wrapping(PipelineError.model) { () throws(ModelError) in
        try SD3TransformerConfiguration(contentsOf: "\(folder)/transformer/config.json")
      })
  }
}

extension SD3PromptEncoder {
  /// Checks that every tokenizer's ids and lengths fit its encoder.
  func checkTokenizers(path: String) throws(PipelineError) {
    try require(
      textEncoders.count == clipSuffixes.count && tokenizers.count == clipSuffixes.count, path,
      "two CLIP text encoders and two tokenizers are needed")
    try require(
      Self.sequenceLengths.contains(maxSequenceLength), path,
      "max_sequence_length is \(maxSequenceLength); it must be in 1...512")
    for (text, tokenizer) in zip(textEncoders.map(\.network.configuration), tokenizers) {
      try require(
        tokenizer.vocabularyCount <= text.vocabSize, path,
        "a tokenizer has \(tokenizer.vocabularyCount) tokens, its text encoder "
          + "\(text.vocabSize)")
      try require(
        tokenizers[0].modelMaxLength <= text.maxPositionEmbeddings, path,
        "prompts have \(tokenizers[0].modelMaxLength) tokens, a text encoder supports "
          + "\(text.maxPositionEmbeddings)")
    }
    if let t5 {
      let known = t5.encoder.network.configuration.vocabSize
      try require(
        t5.tokenizer.vocabularyCount <= known, path,
        "tokenizer_3 has \(t5.tokenizer.vocabularyCount) tokens, text_encoder_3 \(known)")
    }
  }

  /// Checks that the rows and projections fit the transformer.
  func check(_ transformer: SD3TextShape, path: String) throws(PipelineError) {
    let texts = textEncoders.map(\.network.configuration)
    let pooledWidth = texts.map(\.projectionDim).reduce(0, +)
    try require(
      pooledWidth == transformer.pooledWidth, path,
      "the text encoders' projections are \(pooledWidth) wide together; the transformer's "
        + "pooled_projection_dim is \(transformer.pooledWidth)")
    let rowWidth = texts.map(\.hiddenSize).reduce(0, +)
    try require(
      rowWidth <= transformer.rowWidth, path,
      "the text encoders' rows are \(rowWidth) wide together; the transformer's "
        + "joint_attention_dim is \(transformer.rowWidth)")
    if let width = t5?.encoder.network.configuration.dModel {
      try require(
        width == transformer.rowWidth, path,
        "text_encoder_3 has rows of width \(width); the transformer's joint_attention_dim is "
          + "\(transformer.rowWidth)")
    }
  }
}
