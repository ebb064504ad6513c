public import FlowMatching
package import ImageFiles
public import Torch
public import TorchNN

extension FlowModel {
  /// The velocity of latents under prompts, with guidance.
  ///
  /// - Parameters:
  ///   - prompts: the prompts of the field's prompt indices.
  ///   - negative: the negative prompt, usually the empty one; needed by classifier-free guidance.
  ///   - checkpointing: recomputes the blocks' activations where gradients are recorded.
  public func velocityField(
    _ prompts: [PromptEmbeddings], negative: PromptEmbeddings? = nil, guidance: Guidance = .none,
    checkpointing: GradientCheckpointing? = nil
  ) -> VelocityField {
    velocityField(
      prompts, negative: negative, guidance: guidance, checkpointing: checkpointing, batch: nil)
  }

  /// The velocity with batches computed by several threads.
  ///
  /// - Parameter batch: computes the rows of a batch on separate threads while it is open.
  package func velocityField(
    _ prompts: [PromptEmbeddings], negative: PromptEmbeddings?, guidance: Guidance,
    checkpointing: GradientCheckpointing?, batch: ThreadedBatch?
  ) -> VelocityField {
    precondition(
      !guidance.needsNegative || negative != nil, "guidance needs a negative prompt")
    let field = velocityField(
      of: prompts, negative: guidance.needsNegative ? negative : nil,
      embeddedGuidance: guidance.embeddedScale, checkpointing: checkpointing)
    return guidance.applied(to: threaded(field, batch), negative: prompts.count)
  }

  /// The same field with rows on separate threads where that is faster.
  private func threaded(
    _ field: @escaping VelocityField, _ batch: ThreadedBatch?
  ) -> VelocityField {
    let (device, movesWeights) = (device, store.movesWeights)
    return { latents, sigma, promptIndices in
      func part(_ rows: Range<Int>) -> Tensor {
        field(
          latents.narrowed(dim: 0, rows), sigma.narrowed(dim: 0, rows),
          Array(promptIndices[rows]))
      }
      precondition(batch == nil || !movesWeights, "weights that move are shared by all rows")
      if let batch, batch.isOpen { return batch.run(promptIndices.count, part) }
      guard !isRecordingGradients else { return field(latents, sigma, promptIndices) }
      // Slots hold one block at a time, so all rows go through the blocks together.
      if movesWeights {
        return TorchRuntime.withMultiThreadedOps {
          withoutGradient { field(latents, sigma, promptIndices) }
        }
      }
      return Tensor.threadedBatch(promptIndices.count, on: device, part)
    }
  }

  /// Integrates the ODE from noise to the latents of images, one per prompt. `[B, C, h, w] -> [B,
  /// C, h, w]`
  ///
  /// - Parameters:
  ///   - initialLatents: standard normal, float32, of the model's image size.
  ///   - negative: needed by classifier-free guidance.
  ///   - stepCount: number of denoising steps.
  ///   - size: rows of every call on a GPU (see `padded`), so that an image has the same bits in a
  ///     full batch and in the last one; nil means the number of images.
  public func sample(
    from initialLatents: Tensor, prompts: [PromptEmbeddings], negative: PromptEmbeddings? = nil,
    guidance: Guidance = .none, stepCount: Int, size: Int? = nil
  ) -> Tensor {
    precondition(
      initialLatents.shape == latentShape(count: prompts.count),
      "latents \(initialLatents.shape) instead of \(latentShape(count: prompts.count))")
    let field = velocityField(prompts, negative: negative, guidance: guidance)
    return integrate(
      device == .cpu ? field : padded(field, to: size ?? prompts.count),
      from: initialLatents.to(device), over: schedule(stepCount: stepCount),
      promptIndices: Array(prompts.indices))
  }
}

extension FlowModel {
  /// Decodes latents to images, rounded as diffusers rounds them for image files. Records no
  /// gradients. Non-finite latents result in meaningless pixels.
  ///
  /// `[B, C, h, w] -> uint8 [B, H, W, 3]`, RGB
  public func decode(_ latents: Tensor) -> Tensor {
    withoutGradient { rounded(decoded(latents)) }
  }

  /// Decodes latents to images, at most `microBatch` at once. For non-finite latents or a
  /// non-finite decoded image, the result is the reason. `[B, C, h, w] -> B images`
  ///
  /// On the CPU, small images are distributed over threads; a large image is decoded by
  /// multithreaded operators.
  package func images(
    _ latents: Tensor, microBatch: Int
  ) -> [Result<PixelBuffer, NonFiniteImage>] {
    let count = latents.shape[0]
    let isSmall = geometry.image.width * geometry.image.height < 128 * 128
    func decoded(_ latents: Tensor) -> Tensor {
      guard isSmall else { return TorchRuntime.withMultiThreadedOps { checkedImages(latents) } }
      return TorchRuntime.withSingleThreadedOps {
        Tensor.threadedBatch(latents.shape[0], on: device) {
          checkedImages(latents.narrowed(dim: 0, $0))
        }
      }
    }
    return stride(from: 0, to: count, by: microBatch).flatMap { start in
      let length = min(microBatch, count - start)
      return values(decoded(latents.narrowed(dim: 0, start: start, length: length)))
    }
  }

  /// The pixels of each image and one more byte for its finiteness, so that one read from the
  /// device returns both. `[B, C, h, w] -> uint8 [B, H·W·3 + 1]`
  private func checkedImages(_ latents: Tensor) -> Tensor {
    withoutGradient {
      let images = decoded(latents)
      let isFinite = latents.allFinitePerRow() * 2 + images.allFinitePerRow()
      let pixels = rounded(images).reshaped([latents.shape[0], -1])
      return Tensor.cat([pixels, isFinite], dim: 1)
    }
  }

  /// `uint8 [B, H·W·3 + 1] -> B images`
  private func values(_ checked: Tensor) -> [Result<PixelBuffer, NonFiniteImage>] {
    let bytes = checked.bytes()
    let length = checked.shape[1]
    let (latents, decoder) = (dtype, decoderDType)
    return (0..<checked.shape[0]).map { row in
      let own = bytes[(row * length)..<((row + 1) * length)]
      return switch own.last {
      case 3:
        .success(
          PixelBuffer(
            width: geometry.image.width, height: geometry.image.height,
            pixels: Array(own.dropLast())))
      case 2: .failure(.pixels(decoder))
      default: .failure(.latents(latents))
      }
    }
  }
}

/// `[B, 3, H, W]`, -1...1 `-> uint8 [B, H, W, 3]`
private func rounded(_ images: Tensor) -> Tensor {
  ((images * 0.5 + 0.5).clamped(0, 1) * 255).rounded().to(.uint8).permuted([0, 2, 3, 1])
}

extension Tensor {
  /// 1 for each row of finite elements, otherwise 0. `[B, ...] -> uint8 [B, 1]`
  fileprivate func allFinitePerRow() -> Tensor {
    isFinite().to(.uint8).reshaped([shape[0], -1]).amin(dims: [1], keepDim: true)
  }
}
