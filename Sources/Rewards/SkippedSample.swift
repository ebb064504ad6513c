/// Why a sample has no score: a few words that are the same for every sample with this trouble.
struct SkippedSample: Error {
  let reason: String
}
