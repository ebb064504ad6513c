import Foundation

/// One axis of a chart: its range, its ticks, and where values fall on it.
package struct Axis: Sendable {
  /// How values spread along the axis.
  package enum Scale: Sendable {
    case linear
    /// Powers of ten; only positive values can be drawn.
    case logarithmic
  }

  /// Scale of the axis.
  package let scale: Scale
  /// Ends of the axis.
  package let range: ClosedRange<Double>
  /// Values that carry a gridline and a label, rising.
  package let ticks: [Double]
  /// Decimals at which neighboring ticks differ.
  let decimals: Int

  /// An axis that holds all values, its ends at round numbers.
  ///
  /// Without values it runs over 0...1. On a logarithmic axis values that are not positive are
  /// ignored. A tight axis ends at its lowest and highest value, with the round numbers between.
  ///
  /// - Parameter leastStep: least distance of neighboring ticks of a linear axis; 1 for counts.
  package init(
    covering values: [Double], scale: Scale = .linear, wantedTicks: Int = 5, tight: Bool = false,
    leastStep: Double = 0
  ) {
    self.scale = scale
    let ticks: [Double]
    switch scale {
    case .linear:
      let usable = values.filter(\.isFinite)
      var low = usable.min() ?? 0
      var high = usable.max() ?? 1
      if high - low < max(abs(high), abs(low), 1e-300) * 1e-9 {
        let pad = high == 0 ? 1 : abs(high) * 0.5
        (low, high) = (low >= 0 ? max(0, low - pad) : low - pad, high + pad)
      }
      let step = Axis.roundStep(max(leastStep, (high - low) / Double(max(1, wantedTicks))))
      let first = (low / step + 1e-9).rounded(.down)
      let last = (high / step - 1e-9).rounded(.up)
      ticks = (0...Int(last - first)).map { (first + Double($0)) * step }
      decimals = max(0, -Int(log10(step).rounded(.down)))
    case .logarithmic:
      let usable = values.filter { $0.isFinite && $0 > 0 }
      let low = log10(usable.min() ?? 0.1).rounded(.down)
      let high = max(low + 1, log10(usable.max() ?? 1).rounded(.up))
      let stride = max(1, ((high - low) / Double(max(1, wantedTicks))).rounded(.up))
      let steps = Int(((high - low) / stride).rounded(.up))
      ticks = (0...steps).map { pow(10, low + Double($0) * stride) }
      decimals = 0
    }
    let ends = ticks[0]...ticks[ticks.count - 1]
    let inside = values.filter(ends.contains)
    if tight, let low = inside.min(), let high = inside.max(), low < high {
      range = low...high
      self.ticks = ticks.filter { $0 >= low - 1e-9 * (high - low) && $0 <= high * (1 + 1e-9) }
    } else {
      range = ends
      self.ticks = ticks
    }
  }

  /// 1, 2 or 5 times a power of ten, at least `rough`.
  private static func roundStep(_ rough: Double) -> Double {
    let power = pow(10, log10(rough).rounded(.down))
    let factor = [1, 2, 5, 10].first { rough <= $0 * power * (1 + 1e-9) } ?? 10
    return factor * power
  }

  /// Place on the axis: 0 at its low end, 1 at its high end; nil for a value that cannot be drawn.
  package func position(of value: Double) -> Double? {
    guard value.isFinite else { return nil }
    switch scale {
    case .linear:
      return (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    case .logarithmic:
      guard value > 0 else { return nil }
      let low = log10(range.lowerBound)
      return (log10(value) - low) / (log10(range.upperBound) - low)
    }
  }

  /// The text beside a tick.
  package func label(_ tick: Double) -> String {
    switch scale {
    case .logarithmic:
      let exponent = Int(log10(tick).rounded())
      return (-2...3).contains(exponent)
        ? Figures.fixed(tick, max(0, -exponent)) : "1e\(exponent)"
    case .linear:
      let value = abs(tick) < abs(range.upperBound - range.lowerBound) * 1e-9 ? 0 : tick
      return decimals > 4 ? Axis.power(value, decimals) : Figures.fixed(value, decimals)
    }
  }

  /// `1.5e-5`, with the digits at which ticks of as many decimals differ.
  private static func power(_ value: Double, _ decimals: Int) -> String {
    guard value != 0 else { return "0" }
    let exponent = Int((log10(abs(value)) + 1e-9).rounded(.down))
    return Figures.fixed(value / pow(10, Double(exponent)), max(0, exponent + decimals))
      + "e\(exponent)"
  }
}
