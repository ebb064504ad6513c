/// Why a sample has no score: a few words that are equal for every sample with this fault, so that
/// they can be counted.
struct SkippedSample: Error {
  let reason: String
}
