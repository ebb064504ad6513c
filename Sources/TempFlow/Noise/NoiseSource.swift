public import Torch

/// Draws the noise of one epoch, each tensor from its own seed: see
/// ``noiseSeed(run:epoch:prompt:seed:step:branch:)``.
public struct NoiseSource: Hashable, Sendable {
  /// The run's seed.
  public var run: UInt64
  /// The epoch, from 0.
  public var epoch: Int
  /// The shape of one sample, without the batch dimension.
  public var shape: [Int]
  /// The device of the returned noise.
  public var device: Device
  /// The device that draws the noise. One seed gives different numbers on different device types.
  public var generatorDevice: Device

  /// The noise of epoch `epoch` of run `run` for samples of shape `shape`.
  ///
  /// - Parameter generatorDevice: the device that draws the noise; nil is `device`.
  public init(
    run: UInt64, epoch: Int, shape: [Int], device: Device = .cpu, generatorDevice: Device? = nil
  ) {
    self.run = run
    self.epoch = epoch
    self.shape = shape
    self.device = device
    self.generatorDevice = generatorDevice ?? device
  }

  /// D, the number of elements of one sample.
  public var elementCount: Int { shape.reduce(1, *) }

  /// Standard normal initial noise of the trunks: `[T, …]` float32.
  public func initial(_ trunks: [TrunkID]) -> Tensor {
    normal(trunks.map { seed($0, step: -1, branch: 0) })
  }

  /// Standard normal noise of the branches that leave `trunk` at `step`, in the given order:
  /// `[branches, …]` float32. The noise of a Flow-GRPO sample at a step is branch 0.
  public func branches(_ branches: [(trunk: TrunkID, step: Int, branch: Int)]) -> Tensor {
    normal(branches.map { seed($0.trunk, step: $0.step, branch: $0.branch) })
  }

  /// The seed of one tensor; step -1 is the initial noise.
  public func seed(_ trunk: TrunkID, step: Int, branch: Int) -> UInt64 {
    noiseSeed(
      run: run, epoch: epoch, prompt: trunk.prompt, seed: trunk.seed, step: step, branch: branch)
  }

  private func normal(_ seeds: [UInt64]) -> Tensor {
    Tensor.threadedBatch(seeds.count, on: generatorDevice) { rows in
      Tensor.randn(shape, seeds: seeds[rows], device: generatorDevice)
    }.to(device)
  }
}
