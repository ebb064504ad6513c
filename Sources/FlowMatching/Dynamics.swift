/// The dynamics of a denoising step.
///
/// A noise limit is the largest w_i, the standard deviation of the noise that one step adds. The
/// step has the noise rate of that deviation, so that its mean is that of the same SDE with less
/// noise, and the marginals stay. Source: LongCat-Video, arXiv 2510.22200.
public enum Dynamics: Hashable, Sendable {
  /// Flow-GRPO's SDE: noise rate `s = a sqrt(sigma / (1 - sigma))`, `a` the noise level.
  /// Source: arXiv 2505.05470, equation 9.
  case flowSDE(noiseLevel: Double, noiseLimit: Double? = nil)
  /// Coefficient-preserving sampling: `std = sigma' sin(a pi / 2)`, and the rest of `sigma'` is
  /// the predicted noise, so a sample has exactly the noise share of the schedule.
  /// Source: arXiv 2509.05952.
  case cps(noiseLevel: Double, noiseLimit: Double? = nil)
  /// DanceGRPO's SDE with a constant noise rate `s = eta`. Source: arXiv 2505.07818.
  case danceSDE(eta: Double, noiseLimit: Double? = nil)
  /// No noise: `x' = x + dt v`.
  case deterministic

  /// The largest standard deviation of one step's noise; nil is no limit.
  public var noiseLimit: Double? {
    switch self {
    case .flowSDE(_, let limit), .cps(_, let limit), .danceSDE(_, let limit): limit
    case .deterministic: nil
    }
  }

  /// The same dynamics without a noise limit.
  public var unlimited: Dynamics {
    switch self {
    case .flowSDE(let level, _): .flowSDE(noiseLevel: level)
    case .cps(let level, _): .cps(noiseLevel: level)
    case .danceSDE(let eta, _): .danceSDE(eta: eta)
    case .deterministic: .deterministic
    }
  }
}
