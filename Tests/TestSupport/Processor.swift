import Foundation

/// What the processor says that it can do; empty where the system does not tell.
private let processorFlags: Set<Substring> = {
  do {
    let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    let flags = text.split(separator: "\n").first { $0.hasPrefix("flags") }
    return Set(flags?.split(separator: " ") ?? [])
  } catch {
    return []
  }
}()

/// Whether the processor has the vectors of 16 numbers that this package's kernels are written for.
package let processorHasVectors = ["avx512f", "avx512bw", "avx512dq", "avx512vl"]
  .allSatisfy { processorFlags.contains($0) }

/// Whether the processor multiplies bfloat16, which this package's attention in that type is written for.
package let processorMultipliesBFloat16 =
  processorHasVectors && processorFlags.contains("avx512_bf16")
