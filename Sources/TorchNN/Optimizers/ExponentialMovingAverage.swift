public import Torch

/// An exponential moving average (EMA) of the trainable parameters, for evaluation and export.
///
/// After optimizer step n = 0, 1, ... it becomes `decay · average + (1 - decay) · parameter` with
/// `decay = min(limit, (1 + n) / (10 + n))`; with an `interval` above 1, only after every
/// `interval`-th step. Always float32.
public final class ExponentialMovingAverage {
  /// The largest decay, in 0 ... 1.
  public let limit: Double
  /// Optimizer steps from one update to the next.
  public let interval: Int
  /// Optimizer steps counted so far.
  public private(set) var stepCount = 0

  private let averages: WeightCopy

  /// Averages that begin as copies of `parameters`.
  public init(_ parameters: [ParameterStore.Named], limit: Double, interval: Int = 1) {
    precondition((0...1).contains(limit), "a decay lies in 0 ... 1, not \(limit)")
    precondition(interval > 0, "an average is updated every 1 or more steps, not \(interval)")
    self.limit = limit
    self.interval = interval
    averages = WeightCopy(parameters)
  }

  /// The decay used after optimizer step `step` (0 is the first).
  public func decay(afterStep step: Int) -> Double {
    min(limit, Double(1 + step) / Double(10 + step))
  }

  /// Counts one optimizer step and updates the averages when due; call it once after each step.
  public func update() {
    let step = stepCount
    stepCount += 1
    guard stepCount.isMultiple(of: interval) else { return }
    averages.blend(decay: decay(afterStep: step))
  }

  /// Runs `body` with the averages as the network's parameters, then restores the parameters.
  public func withAverages<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try averages.inUse(body)
  }
}

// MARK: - Checkpoints and export

extension ExponentialMovingAverage {
  /// The averages under their parameters' names, in order.
  public var weights: [ParameterStore.Named] { averages.weights }

  /// The state of the average: `average.<name>` per parameter, and `steps`
  /// (`[1]`, int64).
  public var state: [ParameterStore.Named] {
    averages.state("average") + [("steps", Tensor([stepCount], shape: [1]))]
  }

  /// Continues from a saved `state`; further tensors in `saved` are left alone.
  ///
  /// - Throws: `ParameterError.state` when a tensor is missing or misshapen; nothing is changed.
  public func restore(_ saved: [String: Tensor]) throws(ParameterError) {
    guard let steps = saved["steps"] else { throw .state(key: "steps", problem: "it is missing") }
    guard steps.shape == [1], steps.dtype == .int64 else {
      throw .state(key: "steps", problem: "found \(steps.dtype) \(steps.shape), need int64 [1]")
    }
    try averages.restore("average", from: saved)
    stepCount = steps.ints()[0]
  }
}
