public import Torch

/// A flow model seen from below the pipelines: where a batch of latents is heading.
///
/// `(latents [B, …] float32, sigma [B] float32, promptIndices: B indices) -> velocity [B, …]`
///
/// - `latents`: any shape after the batch dimension; every row may come from another sample.
/// - `sigma`: the row's noise share in 0...1 (1 is noise, 0 is data). In a rollout all rows share
///   one value; in training they differ.
/// - `promptIndices`: which prompt each row uses, an index into the list of prompts that the field was
///   made for.
///
/// The velocity is noise minus data, in any floating-point type; callers convert it to float32.
/// Whether gradients are recorded is the caller's choice (`withGradient`, `withoutGradient`).
public typealias VelocityField = (_ latents: Tensor, _ sigma: Tensor, _ promptIndices: [Int]) -> Tensor

/// The same field, which evaluates `size` rows at every call: the first row stands in for those that
/// lack, and what it gives there is dropped.
///
/// Which kernels a GPU takes depends on the number of rows, and so do the last bits of a row's
/// velocity. With one size a row has the same bits whatever shares its batch.
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
