public import Torch

/// A flow model as a function: the velocities of a batch of latents.
///
/// `(latents [B, …] float32, sigma [B] float32, promptIndices: B indices) -> velocity [B, …]`
///
/// - `latents`: any shape after the batch dimension; every row may come from another sample.
/// - `sigma`: the row's noise share in 0...1 (1 is noise, 0 is data). In a rollout all rows share
///   one value; in training they differ.
/// - `promptIndices`: which prompt embeddings each row uses, as an index into the caller's list.
///
/// The velocity is noise minus data, in any floating-point type; callers convert it to float32.
/// The caller decides whether gradients are recorded (`withGradient`, `withoutGradient`).
public typealias VelocityField =
  (_ latents: Tensor, _ sigma: Tensor, _ promptIndices: [Int]) -> Tensor

/// The same field with batches padded to `size` rows: missing rows repeat the first, and their
/// velocities are dropped.
///
/// On a GPU the choice of kernels depends on the number of rows, and with it the last bits of a
/// row's velocity. At a constant size a row has the same bits in every batch.
public func padded(_ field: @escaping VelocityField, to size: Int) -> VelocityField {
  { latents, sigma, promptIndices in
    let count = promptIndices.count
    guard count < size else { return field(latents, sigma, promptIndices) }
    func filled(_ rows: Tensor) -> Tensor {
      let first = rows.narrowed(dim: 0, start: 0, length: 1)
      return Tensor.cat([rows, first.expanded([size - count] + rows.shape.dropFirst())], dim: 0)
    }
    let missing = [Int](repeating: promptIndices[0], count: size - count)
    return field(filled(latents), filled(sigma), promptIndices + missing)
      .narrowed(dim: 0, start: 0, length: count)
  }
}

/// Classifier-free guidance, `v = u + g (c - u)`: `[B, …], [B, …] -> [B, …]`.
///
/// - Parameters:
///   - conditional: `c`, the velocity under the prompt.
///   - unconditional: `u`, the velocity under the negative prompt.
///   - scale: `g`, the guidance scale; 1 gives the conditional velocity.
///
/// Gradients flow through both velocities. Source: Ho and Salimans, arXiv 2207.12598.
public func guidedVelocity(
  conditional: Tensor, unconditional: Tensor, scale: Double
) -> Tensor {
  unconditional + (conditional - unconditional) * scale
}

/// The field that follows `conditional` away from `unconditional`, with two evaluations per call
/// (see ``guidedVelocity(conditional:unconditional:scale:)``). At scale 1 only the conditional
/// field is evaluated.
public func guided(
  conditional: @escaping VelocityField, unconditional: @escaping VelocityField, scale: Double
) -> VelocityField {
  if scale == 1 { return conditional }
  return { latents, sigma, promptIndices in
    guidedVelocity(
      conditional: conditional(latents, sigma, promptIndices),
      unconditional: unconditional(latents, sigma, promptIndices), scale: scale)
  }
}
