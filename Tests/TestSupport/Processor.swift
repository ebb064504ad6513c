import Foundation

/// Whether the processor multiplies bfloat16, which this package's attention and libtorch's products
/// in that type need to give a sample the same bits in every batch.
package let processorMultipliesBFloat16: Bool = {
  guard let lines = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else {
    return false
  }
  return lines.split(separator: "\n").first { $0.hasPrefix("flags") }?
    .split(separator: " ").contains("avx512_bf16") ?? false
}()
