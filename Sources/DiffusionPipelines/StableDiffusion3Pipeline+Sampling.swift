public import DiffusionModels
public import FlowMatching
package import ImageFiles
import TextTokenizers
public import Torch
public import TorchNN

extension StableDiffusion3Pipeline {
  /// The condition of each prompt. `B prompts -> B samples`
  ///
  /// Both encoders' penultimate rows side by side, filled up with zeros to the transformer's
  /// width, then the rows of zeros; both pooled vectors side by side. Records no gradients.
  public func encode(_ prompts: [String]) -> TextCondition {
    precondition(!prompts.isEmpty, "no prompts")
    let length = tokenizers[0].modelMaxLength
    let outputs = withoutGradient {
      zip(textEncoders, tokenizers).map { encoder, tokenizer in
        encoder.network(prompts.map { tokenizer.encodePadded($0, to: length) })
      }
    }
    let rows = Tensor.cat(outputs.map(\.penultimate), dim: 2)
    let missing = transformer.network.configuration.jointAttentionDim - rows.shape[2]
    return TextCondition(
      rows: missing > 0 ? rows.padded([0, missing]) : rows,
      pooled: Tensor.cat(outputs.map(\.pooled), dim: 1), zeroRowCount: zeroRowCount)
  }

  /// The velocity of latents under `condition`, away from `negative`.
  ///
  /// - Parameters:
  ///   - condition: what `trunks` of the field index.
  ///   - negative: one sample for all, usually `encode([""])`; nil means no guidance.
  ///   - guidance: the scale g of `v = u + g (c - u)`; up to 1 there is no guidance, as in
  ///     diffusers. Both halves run as one batch.
  ///   - tape: takes the transformer's blocks where gradients are recorded; nil keeps every
  ///     intermediate value.
  public func velocityField(
    _ condition: TextCondition, negative: TextCondition? = nil, guidance: Double = 1,
    recomputing tape: RecomputationTape? = nil
  ) -> VelocityField {
    let network = transformer.network
    let timestepScale = Double(scheduler.trainingTimesteps)
    precondition(
      guidance <= 1 || negative?.count == 1, "guidance needs one sample as the negative")
    return { latents, sigma, trunks in
      let wanted = condition.selectingRows(trunks)
      let input = latents.to(wanted.pooled.dtype)
      let timestep = sigma * timestepScale
      guard guidance > 1, let negative else {
        return network(input, timestep: timestep, condition: wanted, recomputing: tape)
          .to(.float32)
      }
      let velocities = network(
        Tensor.cat([input, input], dim: 0), timestep: Tensor.cat([timestep, timestep], dim: 0),
        condition: negative.repeated(trunks.count).joined(with: wanted), recomputing: tape
      ).to(.float32).chunked(2, dim: 0)
      return guidedVelocity(
        conditional: velocities[1], unconditional: velocities[0], scale: guidance)
    }
  }

  /// Follows the flow from noise to the latents of images. `[B, C, h, w] -> [B, C, h, w]`
  ///
  /// - Parameters:
  ///   - initialLatents: standard normal, float32.
  ///   - prompts: one per sample.
  ///   - negativePrompt: for all samples; used when `guidance` is above 1.
  ///   - stepCount: evaluations of the velocity.
  public func sample(
    from initialLatents: Tensor, prompts: [String], negativePrompt: String = "",
    guidance: Double = 1, stepCount: Int
  ) -> Tensor {
    precondition(initialLatents.shape[0] == prompts.count, "one prompt per sample")
    let negative = guidance > 1 ? encode([negativePrompt]) : nil
    let field = velocityField(encode(prompts), negative: negative, guidance: guidance)
    return integrate(
      field, from: initialLatents.to(device), over: schedule(stepCount: stepCount),
      trunks: Array(prompts.indices))
  }

  /// The images of latents, rounded as diffusers does for its image files. Records no gradients.
  ///
  /// `[B, C, h, w] -> uint8 [B, H, W, 3]`, RGB
  ///
  /// - Parameter tile: cuts larger latents into tiles, which bounds memory; nil never does.
  public func decode(_ latents: Tensor, tile: TileSize? = nil) -> Tensor {
    withoutGradient {
      let network = autoencoder.network
      let dtype = autoencoder.store.weights[0].tensor.dtype
      let images = network.decode(network.denormalised(latents).to(dtype), tile: tile)
        .to(.float32)
      return ((images * 0.5 + 0.5).clamped(0, 1) * 255).rounded().to(.uint8)
        .permuted([0, 2, 3, 1])
    }
  }

  /// The images of latents, as values, at most `microBatch` decoded at once.
  /// `[B, C, h, w] -> B images`
  package func images(_ latents: Tensor, microBatch: Int) -> [PixelBuffer] {
    let count = latents.shape[0]
    return stride(from: 0, to: count, by: microBatch).flatMap { start in
      images(latents.narrowed(dim: 0, start: start, length: min(microBatch, count - start)))
    }
  }

  /// The images of latents, as values. `[B, C, h, w] -> B images`
  package func images(_ latents: Tensor) -> [PixelBuffer] {
    let decoded = decode(latents)
    let shape = decoded.shape
    let bytes = decoded.bytes()
    let size = shape[1] * shape[2] * shape[3]
    return (0..<shape[0]).map { index in
      PixelBuffer(
        width: shape[2], height: shape[1],
        pixels: Array(bytes[(index * size)..<((index + 1) * size)]))
    }
  }
}

extension TextCondition {
  /// As `selecting`, without a copy when the samples are already in place.
  fileprivate func selectingRows(_ samples: [Int]) -> TextCondition {
    samples.elementsEqual(0..<count) ? self : selecting(samples)
  }

  /// The only sample, `count` times, without a copy.
  fileprivate func repeated(_ count: Int) -> TextCondition {
    TextCondition(
      rows: rows.expanded([count] + rows.shape.dropFirst()),
      pooled: pooled.expanded([count] + pooled.shape.dropFirst()), zeroRowCount: zeroRowCount)
  }
}
