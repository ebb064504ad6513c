internal import Foundations

/// The values of one reward, or of a weighted sum.
struct RewardColumn {
  let rows: [RewardRow]
  /// One per row; nil for a missing one.
  let values: [Double?]
  /// Of the trunks' own images; none for a missing one.
  let trunkValues: [TrunkID: Double]

  /// Rows that are compared with each other. A part that is nil does not separate rows.
  private struct Key: Hashable {
    var step: Int?, prompt: Int?, seed: Int?
  }

  /// The advantage of each row; 0 for a missing value.
  ///
  /// - Parameter groups: gets the groups of each step.
  func advantages(
    _ baseline: AdvantageBaseline, _ scale: AdvantageScale,
    _ groups: inout [Int: Advantages.StepGroups]
  ) -> [Double] {
    let compared = grouped { row in
      Key(step: row.step, prompt: row.prompt, seed: baseline == .prompt ? nil : row.seed)
    }
    let scales = scales(scale, of: compared)
    var result = [Double](repeating: 0, count: rows.count)
    for indices in compared {
      let statistics = statistics(indices)
      let row = rows[indices[0]]
      // The rounding error of a mean of equal rewards is no advantage.
      let subtracted =
        baseline == .trunk
        ? trunkValues[row.trunk] : statistics.deviation ?? 0 > 0 ? statistics.mean : nil
      if let subtracted {
        for index in indices where scales[index] > 0 {
          guard let value = values[index] else { continue }
          result[index] = (value - subtracted) / (scales[index] + 1e-4)
        }
      }
      groups[row.step, default: .init()].count += 1
      if statistics.count > 1, let deviation = statistics.deviation {
        groups[row.step]?.comparedCount += 1
        groups[row.step]?.deviation += deviation
      }
      if indices.allSatisfy({ result[$0] == 0 }) { groups[row.step]?.degenerateCount += 1 }
    }
    return result
  }

  /// The population standard deviation that divides each row; 0 without a value.
  private func scales(_ scale: AdvantageScale, of compared: [[Int]]) -> [Double] {
    let groups =
      switch scale {
      case .seed: grouped { Key(step: $0.step, prompt: $0.prompt, seed: $0.seed) }
      case .prompt: grouped { Key(step: $0.step, prompt: $0.prompt) }
      case .step: grouped { Key(step: $0.step) }
      case .batch: grouped { _ in Key() }
      case .maxGroup: compared
      }
    let deviations = groups.map { statistics($0).deviation ?? 0 }
    let largest = deviations.max() ?? 0
    var scales = [Double](repeating: largest, count: rows.count)
    if scale == .maxGroup { return scales }
    for (indices, deviation) in zip(groups, deviations) {
      for index in indices { scales[index] = deviation }
    }
    return scales
  }

  /// The rows of each group, in the order of the groups' first rows.
  private func grouped(_ key: (RewardRow) -> Key) -> [[Int]] {
    var places: [Key: Int] = [:]
    var groups: [[Int]] = []
    for (index, row) in rows.enumerated() {
      let key = key(row)
      if let place = places[key] {
        groups[place].append(index)
      } else {
        places[key] = groups.count
        groups.append([index])
      }
    }
    return groups
  }

  /// Over the present values of some rows.
  private func statistics(_ indices: [Int]) -> Statistics { Statistics(indices.map { values[$0] }) }
}
