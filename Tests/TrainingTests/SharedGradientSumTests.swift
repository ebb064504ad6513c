import Foundation
import ProcessGroups
import Runs
import Synchronization
import TempFlow
import Testing
import Torch
import TorchNN
import Training

/// Sums of gradients in a group of two, each on a thread of its own, against those of one.
@Suite(.serialized) struct SharedGradientSumTests {
  private static let shapes = [[3, 2], [5], [1], [4, 4]]

  /// The gradients of a pass; the first parameter has none in pass 0.
  private static func gradients(_ pass: Int, scale: Double, outlier: Float?) -> [Tensor?] {
    let generator = Generator(seed: UInt64(pass + 1))
    return shapes.enumerated().map { place, shape in
      let size = Tensor.randn(shape, generator: generator) * 1.5
      let gradient = Tensor.randn(shape, generator: generator) * size.exp() * scale
      if place == 0, pass == 0 { return nil }
      if place == 2, pass == 1, let outlier { return Tensor([outlier], shape: [1]) }
      return gradient
    }
  }

  /// The text of the sum, which tells -0 from 0 and shows missing gradients.
  private static func sum(
    _ passes: Int, scale: Double, outlier: Float?, _ group: ProcessGroup
  ) throws -> String {
    let parameters = shapes.enumerated().map {
      ParameterStore.Named(name: "p\($0)", tensor: Tensor.zeros($1))
    }
    let sum = GradientSum(parameters, group)
    sum.begin(passes: passes, scale: scale)
    for pass in WorkShare(group.rank, of: group.size).range(of: passes) {
      let gradients = gradients(pass, scale: scale, outlier: outlier)
      for (parameter, gradient) in zip(parameters, gradients) {
        parameter.tensor.gradient = gradient
      }
      sum.add()
    }
    try sum.finish()
    return "\(parameters.map { $0.tensor.gradient?.floats() })"
  }

  /// The sums of both members of a group of two.
  private func pair(_ passes: Int, scale: Double, outlier: Float?) throws -> [String] {
    let port = try FreePort.choose()
    let found = Mutex<[Int: String]>([:])
    let done = DispatchSemaphore(value: 0)
    for rank in 0..<2 {
      let thread = Thread {
        var text: String
        do {
          let group = try ProcessGroup(
            LaunchVariables(
              rank: rank, size: 2, localRank: rank, localSize: 2, host: "127.0.0.1", port: port),
            timeout: .seconds(60))
          text = try Self.sum(passes, scale: scale, outlier: outlier, group)
          // The store is that of rank 0.
          try group.barrier("the end")
        } catch {
          text = "\(error)"
        }
        found.withLock { $0[rank] = text }
        done.signal()
      }
      thread.start()
    }
    for _ in 0..<2 { done.wait() }
    return found.withLock { found in (0..<2).map { found[$0] ?? "" } }
  }

  /// The only pass is sent as it is, of two passes each process has one, and of five several.
  @Test(arguments: [1, 2, 5], [1.0, 1024])
  func `two processes have the sum of one, bit for bit`(_ passes: Int, _ scale: Double) throws {
    let alone = try Self.sum(passes, scale: scale, outlier: nil, .alone)
    #expect(!alone.contains("nan") && alone.contains("nil") == (passes == 1))
    #expect(try pair(passes, scale: scale, outlier: nil) == [alone, alone])
  }

  @Test(arguments: [2, 5], [Float.nan, .infinity, 20_000])
  func `a gradient out of range in one process makes all of it not a number in both`(
    _ passes: Int, _ value: Float
  ) throws {
    let sums = try pair(passes, scale: 1, outlier: value)
    #expect(sums[0] == sums[1])
    #expect(sums[0].components(separatedBy: "nan").count - 1 == 28, "\(sums[0])")
  }
}
