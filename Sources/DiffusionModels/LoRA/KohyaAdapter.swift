import Torch

/// The adapter of one layer of the original model: `alpha / rank · up down` is added to its weight.
struct KohyaAdapter {
  let down: Tensor  // [rank, in]
  let up: Tensor  // [out, rank]
  let alpha: Double

  /// The adapter of one of the diffusers layers that the original layer holds.
  typealias Part = (down: Tensor, up: Tensor)

  init(down: Tensor, up: Tensor, alpha: Double) {
    self.down = down
    self.up = up
    self.alpha = alpha
  }

  /// Joins the adapters of queries, keys and values of equal shape; an absent one is nil.
  ///
  /// The joint rank is three times theirs. `down` stacks their matrices; `up` is block diagonal.
  /// Three times the alpha keeps the scale.
  init(joining parts: [Part?], alpha: Double) {
    guard let known = parts.compactMap({ $0 }).first else {
      preconditionFailure("nothing to join")
    }
    let rank = known.down.shape[0]
    let absent: Part = (Tensor.zeros(like: known.down), Tensor.zeros(like: known.up))
    let all = parts.map { $0 ?? absent }
    down = Tensor.cat(all.map(\.down), dim: 0)
    up = Tensor.cat(
      all.enumerated().map { index, part in
        part.up.padded([index * rank, (parts.count - 1 - index) * rank])
      }, dim: 0)
    self.alpha = alpha * Double(parts.count)
  }

  /// The origin of a joint layer's adapter, inferred from its values.
  enum Origin {
    /// The adapter was trained as one.
    case trained
    /// The adapter has the blocks of `init(joining:)`.
    case joined
    /// `up` is zero, so the origin is ambiguous.
    case untrained
  }

  /// The origin of the adapter of a layer that holds `count` layers.
  func origin(parts count: Int) -> Origin {
    if isZero(up) { return .untrained }
    let rank = down.shape[0] / count
    return rank * count == down.shape[0] && isDiagonal(up.chunked(count, dim: 0), rank)
      ? .joined : .trained
  }

  /// Splits an adapter that was trained as one among the `count` layers that the layer holds: each
  /// keeps the whole `down` and its own rows of `up`.
  func shared(by count: Int) -> [Part?] {
    up.chunked(count, dim: 0).map { (down, $0) }
  }

  /// The `count` adapters that `init(joining:)` joined, and their alpha. A zero `down` marks an
  /// absent adapter and becomes nil. The rank is a multiple of `count`.
  func divided(into count: Int) -> (parts: [Part?], alpha: Double) {
    let rows = up.chunked(count, dim: 0)
    let rank = down.shape[0] / count
    let parts = rows.enumerated().map { index, row -> Part? in
      let part = (
        down: down.narrowed(dim: 0, start: index * rank, length: rank),
        up: row.narrowed(dim: 1, start: index * rank, length: rank)
      )
      return isZero(part.down) ? nil : part
    }
    return (parts, alpha / Double(count))
  }

  /// Whether every block off the diagonal is zero.
  private func isDiagonal(_ rows: [Tensor], _ rank: Int) -> Bool {
    rows.indices.allSatisfy { row in
      rows.indices.allSatisfy { column in
        column == row
          || isZero(rows[row].narrowed(dim: 1, start: column * rank, length: rank))
      }
    }
  }

  private func isZero(_ tensor: Tensor) -> Bool {
    tensor.isEqual(to: 0).all().item() == 1
  }

  /// The adapter with the two halves of its outputs exchanged.
  func swappingHalves() -> KohyaAdapter {
    KohyaAdapter(
      down: down, up: Tensor.cat(up.chunked(2, dim: 0).reversed(), dim: 0), alpha: alpha)
  }
}
