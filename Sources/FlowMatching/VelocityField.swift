public import Torch

/// A flow model as a function: the velocities of a batch of latents.
///
/// `(latents [B, …] float32, sigma [B] float32, promptIndices: B indices) -> velocity [B, …]`
///
/// - `latents`: any shape after the batch dimension; every row may come from another sample.
/// - `sigma`: the row's noise share in 0...1 (1 is noise, 0 is data). In a rollout all rows share
///   one value; in training they differ.
/// - `promptIndices`: which prompt each row uses, an index into the list of prompts that the field
///   was made for.
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
