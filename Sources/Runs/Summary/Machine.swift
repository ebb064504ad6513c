import Foundation

/// The machine of a run.
package struct Machine: Sendable, Hashable, Codable {
  /// The processor's name.
  package var processor: String
  /// Logical cores available to the process.
  package var cores: Int
  /// Main memory in bytes.
  package var memoryBytes: UInt64
  /// The operating system.
  package var system: String
  /// The device of the tensors: "cpu", or the accelerator's name.
  package var device: String
  /// The version of libtorch.
  package var torch: String
  /// Whether float32 products on the accelerator may round their inputs to TF32; nil on the CPU.
  package var tf32: Bool?

  private enum CodingKeys: String, CodingKey {
    case processor, cores, system, device, torch, tf32
    case memoryBytes = "memory_bytes"
  }

  /// The machine of this process.
  ///
  /// - Parameters:
  ///   - device: the device of the tensors.
  ///   - torch: the version of libtorch.
  ///   - tf32: whether float32 products on the accelerator may round their inputs to TF32.
  package init(device: String, torch: String, tf32: Bool? = nil) {
    let process = ProcessInfo.processInfo
    processor = Self.processorName ?? "unknown"
    cores = process.activeProcessorCount
    memoryBytes = process.physicalMemory
    system = process.operatingSystemVersionString
    self.device = device
    self.torch = torch
    self.tf32 = tf32
  }

  /// The first "model name" of `/proc/cpuinfo`; nil where there is none.
  private static var processorName: String? {
    guard let data = FileManager.default.contents(atPath: "/proc/cpuinfo") else { return nil }
    let line = String(decoding: data, as: UTF8.self).split(separator: "\n")
      .first { $0.hasPrefix("model name") }
    return line?.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces)
  }
}
