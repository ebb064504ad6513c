import Foundation

/// One step from `sigma` to `nextSigma`, as numbers in float64.
///
/// All dynamics are linear in latents and velocity, so one form covers them:
///
///     mean = A x + b v        x' = mean + w eps        log p(x'|x) = -P mean_D (x' - mean)^2 - Z
///
/// `mean_D` is the mean over the D elements of a sample; clip ranges are tuned to a mean.
public struct StepCoefficients: Hashable, Sendable {
  /// sigma_i in 0...1; 1 is noise.
  public let sigma: Double
  /// sigma_{i+1} < sigma_i.
  public let nextSigma: Double
  /// sigma*_i, the sigma in the denominator `1 - sigma*`: sigma_i, and sigma_1 at sigma 1, where it
  /// keeps the first step finite.
  public let finiteSigma: Double
  /// s_i, the diffusion coefficient: noise per square root of time.
  public let diffusion: Double
  /// w_i, the standard deviation of the noise that the step adds; 0 for a deterministic step.
  public let stdDev: Double
  /// A_i, the factor of the latents in the mean.
  public let latentFactor: Double
  /// b_i, the factor of the velocity in the mean.
  public let velocityFactor: Double
  /// P_i, the factor of the mean squared residual in the log-probability.
  public let residualFactor: Double
  /// Z_i, the constant of the log-probability.
  public let logNormalizer: Double

  /// dt_i = sigma_{i+1} - sigma_i < 0.
  public var timeStep: Double { nextSigma - sigma }

  init(_ dynamics: Dynamics, sigma: Double, nextSigma: Double, finiteSigma: Double) {
    self.sigma = sigma
    self.nextSigma = nextSigma
    self.finiteSigma = finiteSigma
    let timeStep = nextSigma - sigma
    switch dynamics {
    case .deterministic:
      diffusion = 0
      stdDev = 0
      latentFactor = 1
      velocityFactor = timeStep
      residualFactor = 0
      logNormalizer = 0
    case .flowSDE, .danceSDE:
      let unlimited =
        if case .flowSDE(let level, _) = dynamics {
          level * (sigma / (1 - finiteSigma)).squareRoot()
        } else if case .danceSDE(let eta, _) = dynamics {
          eta
        } else {
          0.0
        }
      let largest = dynamics.noiseLimit.map { $0 / (-timeStep).squareRoot() }
      let rate = min(unlimited, largest ?? .infinity)
      let halfVariance = rate * rate / (2 * sigma)
      diffusion = rate
      stdDev = rate * (-timeStep).squareRoot()
      latentFactor = 1 + halfVariance * timeStep
      velocityFactor = (1 + halfVariance * (1 - sigma)) * timeStep
      residualFactor = 1 / (2 * stdDev * stdDev)
      logNormalizer = log(stdDev) + log((2 * Double.pi).squareRoot())
    case .cps(let level, let limit):
      // x0 = x - sigma v and x1 = x + (1 - sigma) v predict data and noise;
      // mean = (1 - sigma') x0 + sqrt(sigma'^2 - std^2) x1.
      let deviation = min(nextSigma * sin(level * Double.pi / 2), limit ?? .infinity)
      let predicted = max(0, nextSigma * nextSigma - deviation * deviation).squareRoot()
      diffusion = deviation / (-timeStep).squareRoot()
      stdDev = deviation
      latentFactor = 1 - nextSigma + predicted
      velocityFactor = predicted * (1 - sigma) - (1 - nextSigma) * sigma
      residualFactor = 1
      logNormalizer = 0
    }
  }
}
