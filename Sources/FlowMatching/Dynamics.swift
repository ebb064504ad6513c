/// The dynamics of a denoising step.
public enum Dynamics: Hashable, Sendable {
  /// Flow-GRPO's SDE: noise rate `s = a sqrt(sigma / (1 - sigma))`, `a` the noise level.
  /// Source: arXiv 2505.05470, equation 9.
  case flowSDE(noiseLevel: Double)
  /// Coefficient-preserving sampling: `std = sigma' sin(a pi / 2)`, and the rest of `sigma'` is
  /// the predicted noise, so a sample has exactly the noise share of the schedule.
  /// Source: arXiv 2509.05952.
  case cps(noiseLevel: Double)
  /// DanceGRPO's SDE with a constant noise rate `s = eta`. Source: arXiv 2505.07818.
  case danceSDE(eta: Double)
  /// No noise: `x' = x + dt v`.
  case deterministic
}
