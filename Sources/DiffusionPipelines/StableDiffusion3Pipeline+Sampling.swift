public import DiffusionModels
public import FlowMatching
package import ImageFiles
public import Torch
public import TorchNN

extension StableDiffusion3Pipeline {
  /// The condition of each prompt, by the pipeline's own text encoders. `B prompts -> B samples`
  ///
  /// Records no gradients.
  public func encode(_ prompts: [String]) -> TextCondition {
    guard let text else {
      preconditionFailure("the pipeline was loaded without its text encoders")
    }
    return text.encode(prompts).condition(
      width: transformer.network.configuration.jointAttentionDim,
      t5Length: text.maxSequenceLength)
  }

  /// The velocity of latents under `condition`, away from `negative`.
  ///
  /// - Parameters:
  ///   - condition: what `trunks` of the field index.
  ///   - negative: one sample for all, usually `encode([""])`; nil means no guidance.
  ///   - guidanceScale: the scale g of `v = u + g (c - u)`; up to 1 there is no guidance, as in
  ///     diffusers. Both halves run as one batch.
  ///   - tape: takes the transformer's blocks where gradients are recorded; nil keeps every
  ///     intermediate value.
  public func velocityField(
    _ condition: TextCondition, negative: TextCondition? = nil, guidanceScale: Double = 1,
    recomputing tape: GradientCheckpointing? = nil
  ) -> VelocityField {
    velocityField(condition, negative: negative, guidanceScale: guidanceScale, tape, nil)
  }

  /// The same.
  ///
  /// - Parameter record: computes the rows of a batch on threads of their own while it is open.
  package func velocityField(
    _ condition: TextCondition, negative: TextCondition?, guidanceScale: Double,
    _ tape: GradientCheckpointing?, _ record: ThreadedBatch?
  ) -> VelocityField {
    let network = transformer.network
    let timestepScale = Double(scheduler.trainingTimesteps)
    precondition(
      guidanceScale <= 1 || negative?.count == 1, "guidance needs one sample as the negative")
    let dtype = self.dtype
    let condition = network.embedded(condition.to(dtype, device))
    let negative = negative.map { network.embedded($0.to(dtype, device)) }
    func velocity(_ latents: Tensor, _ timestep: Tensor, _ condition: TextCondition) -> Tensor {
      func part(_ rows: Range<Int>) -> Tensor {
        network(
          latents.narrowed(dim: 0, rows), timestep: timestep.narrowed(dim: 0, rows),
          condition: condition.narrowed(rows)
        ).to(.float32)
      }
      if let record, record.isOpen { return record.run(condition.count, part) }
      guard !isRecordingGradients else {
        return network(latents, timestep: timestep, condition: condition, recomputing: tape)
          .to(.float32)
      }
      return Tensor.threadedBatch(condition.count, on: device, part)
    }
    return { latents, sigma, trunks in
      let wanted = condition.selectingRows(trunks)
      let input = latents.to(dtype)
      let timestep = sigma * timestepScale
      guard guidanceScale > 1, let negative else { return velocity(input, timestep, wanted) }
      let velocities = velocity(
        Tensor.cat([input, input], dim: 0), Tensor.cat([timestep, timestep], dim: 0),
        negative.repeated(trunks.count).joined(with: wanted)
      ).chunked(2, dim: 0)
      return guidedVelocity(
        conditional: velocities[1], unconditional: velocities[0], scale: guidanceScale)
    }
  }

  /// Follows the flow from noise to the latents of images. `[B, C, h, w] -> [B, C, h, w]`
  ///
  /// - Parameters:
  ///   - initialLatents: standard normal, float32, of the pipeline's image size.
  ///   - condition: one sample per image.
  ///   - negative: one sample for all; needed when `guidance_scale` is above 1.
  ///   - stepCount: evaluations of the velocity.
  ///   - size: images that a GPU is given at every call, those that lack filled up (see `padded`), so
  ///     that an image has the same bits in a full batch and in the last one; nil gives the images.
  public func sample(
    from initialLatents: Tensor, condition: TextCondition, negative: TextCondition? = nil,
    guidanceScale: Double = 1, stepCount: Int, size: Int? = nil
  ) -> Tensor {
    precondition(
      initialLatents.shape == latentShape(count: condition.count),
      "latents \(initialLatents.shape) for \(latentShape(count: condition.count))")
    let field = velocityField(condition, negative: negative, guidanceScale: guidanceScale)
    return integrate(
      device == .cpu ? field : padded(field, to: size ?? condition.count), from: initialLatents.to(device), over: schedule(stepCount: stepCount),
      promptIndices: Array(0..<condition.count))
  }

  /// The same for prompts that the pipeline's own text encoders encode, one per image.
  ///
  /// - Parameter negativePrompt: for all images; used when `guidanceScale` is above 1.
  public func sample(
    from initialLatents: Tensor, prompts: [String], negativePrompt: String = "",
    guidanceScale: Double = 1, stepCount: Int
  ) -> Tensor {
    sample(
      from: initialLatents, condition: encode(prompts),
      negative: guidanceScale > 1 ? encode([negativePrompt]) : nil, guidanceScale: guidanceScale,
      stepCount: stepCount)
  }

  /// The images of latents, rounded as diffusers does for its image files. Records no gradients.
  /// Numbers that are not finite give no meaningful pixels.
  ///
  /// `[B, C, h, w] -> uint8 [B, H, W, 3]`, RGB
  public func decode(_ latents: Tensor) -> Tensor {
    withoutGradient { rounded(decoded(latents)) }
  }

  /// The images of latents, as values, at most `microBatch` decoded at once; of latents or a decoded
  /// image that are not finite, the reason why there is none. `[B, C, h, w] -> B images`
  ///
  /// On the CPU, threads take some small images each; all of them share the operators of a large one.
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

  /// `[B, C, h, w] -> float32 [B, 3, H, W]`, -1...1
  private func decoded(_ latents: Tensor) -> Tensor {
    let network = autoencoder.network
    return network.decode(network.denormalised(latents).to(autoencoderDType), tile: tile)
      .to(.float32)
  }

  private var autoencoderDType: DType { autoencoder.store.weights[0].tensor.dtype }

  /// The pixels of each image and, as one byte more, what of it is finite, so that both are read at
  /// once: a GPU is not waited for a second time. `[B, C, h, w] -> uint8 [B, H·W·3 + 1]`
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
    let (latents, decoder) = (dtype, autoencoderDType)
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
  /// 1 for each row whose numbers are all finite, otherwise 0. `[B, ...] -> uint8 [B, 1]`
  fileprivate func allFinitePerRow() -> Tensor {
    isFinite().to(.uint8).reshaped([shape[0], -1]).amin(dims: [1], keepDim: true)
  }
}

extension TextCondition {
  /// The condition in another precision and on another device.
  fileprivate func to(_ dtype: DType, _ device: Device) -> TextCondition {
    mapped { $0.to(dtype).to(device) }
  }

  /// As `selecting`, without a copy when the samples are already in place.
  fileprivate func selectingRows(_ samples: [Int]) -> TextCondition {
    samples.elementsEqual(0..<count) ? self : selecting(samples)
  }

  /// The samples of `range`, without a copy.
  fileprivate func narrowed(_ range: Range<Int>) -> TextCondition {
    mapped { $0.narrowed(dim: 0, range) }
  }

  /// The only sample, `count` times, without a copy.
  fileprivate func repeated(_ count: Int) -> TextCondition {
    mapped { $0.expanded([count] + $0.shape.dropFirst()) }
  }
}
