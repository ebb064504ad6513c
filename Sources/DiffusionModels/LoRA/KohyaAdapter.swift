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

  /// Joins the adapters of the layers that one layer holds; an absent one is nil.
  ///
  /// The joint rank is theirs times their number. `down` stacks their matrices; `up` is block
  /// diagonal. The alpha times their number keeps the scale.
  ///
  /// - Parameter shares: the outputs of each, as multiples of the smallest.
  init(joining parts: [Part?], shares: [Int], alpha: Double) {
    guard let first = parts.firstIndex(where: { $0 != nil }), let known = parts[first] else {
      preconditionFailure("nothing to join")
    }
    let (rank, unit) = (known.down.shape[0], known.up.shape[0] / shares[first])
    let all = zip(parts, shares).map { part, share -> Part in
      part ?? (Tensor.zeros(like: known.down), Tensor.zeros([share * unit, rank]))
    }
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

  /// The origin of the adapter of a layer that holds layers of these widths.
  func origin(shares: [Int]) -> Origin {
    if isZero(up) { return .untrained }
    let (count, rank) = (shares.count, down.shape[0] / shares.count)
    return rank * count == down.shape[0] && isDiagonal(rows(shares), rank) ? .joined : .trained
  }

  /// Splits an adapter that was trained as one among the layers that the layer holds: each keeps
  /// the whole `down` and its own rows of `up`.
  func shared(by shares: [Int]) -> [Part?] { rows(shares).map { (down, $0) } }

  /// The adapters that `init(joining:shares:alpha:)` joined, and their alpha. A zero `down` marks
  /// an absent adapter and becomes nil. The rank is a multiple of their number.
  func divided(into shares: [Int]) -> (parts: [Part?], alpha: Double) {
    let count = shares.count
    let rank = down.shape[0] / count
    let parts = rows(shares).enumerated().map { index, row -> Part? in
      let part = (
        down: down.narrowed(dim: 0, start: index * rank, length: rank),
        up: row.narrowed(dim: 1, start: index * rank, length: rank)
      )
      return isZero(part.down) ? nil : part
    }
    return (parts, alpha / Double(count))
  }

  /// The rows of `up` of each layer.
  private func rows(_ shares: [Int]) -> [Tensor] {
    let unit = up.shape[0] / shares.reduce(0, +)
    var start = 0
    return shares.map { share in
      defer { start += share * unit }
      return up.narrowed(dim: 0, start: start, length: share * unit)
    }
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
