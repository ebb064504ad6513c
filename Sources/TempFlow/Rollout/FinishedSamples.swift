public import Torch

/// Samples that have reached sigma 0.
public struct FinishedSamples {
  /// The samples' identities, row by row.
  public let ids: [SampleID]
  /// Their final latents: `[ids, …]` float32.
  public let latents: Tensor
}
