package import Torch

// B: samples, D: elements of a sample. Everything is float32.

/// Samples with noise added, and the velocities at these points.
package struct ForwardProcessBatch {
  /// u = eps - x_0: `[B, D]`.
  package let target: Tensor
  /// v and v_old at x_t: `[B, D]`.
  package let velocity, old: Tensor
  /// v_ref at x_t: `[B, D]`; nil without a KL term.
  package let reference: Tensor?
  /// t in 0...1, 1 is noise.
  package let sigmas: [Double]
  /// A of each sample.
  package let advantages: [Double]

  package init(
    target: Tensor, velocity: Tensor, old: Tensor, reference: Tensor?, sigmas: [Double],
    advantages: [Double]
  ) {
    precondition(target.shape[0] == sigmas.count && advantages.count == sigmas.count)
    self.target = target
    self.velocity = velocity
    self.old = old
    self.reference = reference
    self.sigmas = sigmas
    self.advantages = advantages
  }

  /// D.
  var elementCount: Int { target.shape[1] }

  /// A number of each sample: `[B, 1]`.
  func column(_ values: [Double]) -> Tensor {
    Tensor(values.map { Float($0) }, shape: [values.count, 1]).to(target.device)
  }

  /// mean_D: `[B, D] -> [B, 1]`.
  func mean(_ rows: Tensor) -> Tensor { rows.mean(dims: [1], keepDim: true) }
}

/// The value and the derivative of a loss, by sample.
package struct ForwardProcessTerms {
  /// L of each sample: `[B, 1]`.
  package let loss: Tensor
  /// D dL/dv of each sample, where L is not yet a mean over samples: `[B, D]`.
  package let gradient: Tensor
  /// logp_new - logp_old, the ratio, and whether the clip removed the gradient: `[B, 1]` each; nil
  /// for a loss without a ratio.
  package var ratio: (logarithm: Tensor, value: Tensor, isClipped: Tensor)?
}

extension ForwardProcessObjective {
  /// The loss of a batch and its derivative with respect to the velocity.
  ///
  /// - Parameter sampleCount: the samples of the whole update, skipped ones included.
  /// - Returns: dL/dv `[B, D]`; the terms of the method alone; mean_D (v - v_ref)^2 `[B, 1]`, zeros
  ///   without a KL term.
  package func evaluate(
    _ batch: ForwardProcessBatch, sampleCount: Int
  ) -> (gradient: Tensor, terms: ForwardProcessTerms, kl: Tensor) {
    let terms =
      switch method {
      case .diffusionNFT(let beta, let limit):
        DiffusionNFTLoss(beta: beta, advantageLimit: limit).terms(batch)
      case .advantageWeightedMatching(let clipRange, let weight):
        AdvantageWeightedMatchingLoss(clipRange: clipRange, timeWeight: weight).terms(batch)
      }
    var gradient = terms.gradient
    var kl = Tensor.zeros(like: terms.loss)
    if let reference = batch.reference {
      let distance = batch.velocity - reference
      kl = batch.mean(distance.squared())
      gradient = gradient + distance * (2 * klBeta)
    }
    if oldBeta > 0 { gradient = gradient + (batch.velocity - batch.old) * (2 * oldBeta) }
    return (gradient / Double(batch.elementCount * sampleCount), terms, kl)
  }
}
