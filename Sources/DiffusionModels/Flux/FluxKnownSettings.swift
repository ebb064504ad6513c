import FlowMatching

extension FluxPipeline {
  /// Published settings of FLUX.1-dev, all with guidance 3.5. docs/flux.md has what is known beside
  /// them.
  static let knownSettings = [
    KnownTrainingSetting(
      steps: 6, dynamics: .flowSDE(noiseLevel: 0.9), trainedSteps: 5, clipRange: 1e-4,
      resolution: 512, source: "Flow-GRPO's pickscore_flux"),
    KnownTrainingSetting(
      steps: 6, dynamics: .cps(noiseLevel: 0.8), trainedSteps: 3, clipRange: 1e-5,
      resolution: 512, source: "Flow-GRPO's pickscore_flux_fast"),
    KnownTrainingSetting(
      steps: 10, dynamics: .flowSDE(noiseLevel: 0.9), trainedSteps: 9, clipRange: 1e-4,
      resolution: 1024, source: "TempFlow-GRPO, arXiv 2508.04324"),
  ]
}
