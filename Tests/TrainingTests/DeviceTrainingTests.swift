import Foundation
import Foundations
import Runs
import TestSupport
import Testing
import Torch
import Training

/// Whole runs of a tiny model on a GPU.
@MainActor
@Suite(.serialized, .enabled(if: TorchRuntime.hasCUDA, "needs a CUDA device, real or simulated"))
struct DeviceTrainingTests {
  /// The epochs' lines of a run's metrics.
  private func epochs(_ run: String) throws -> [JSONValue] {
    try MetricsLog.read(run + "/metrics.jsonl").filter { $0[.kind] == "epoch" }
  }

  @Test(arguments: [
    "dtype: float32", "dtype: bfloat16", "dtype: float16", "gradient_checkpointing: true",
    "dtype: bfloat16\nvae_dtype: bfloat16",
    "gradient_checkpointing: true\ndtype: bfloat16\nquantize_base: int8\noffload: blocks",
  ])
  func `adapters and whole models train on the GPU`(setting: String) async throws {
    for trainable in ["full", "lora"] {
      // Trainable weights are float32.
      if trainable == "full", setting.contains("float16") { continue }
      let folder = try tinyTask()
      let summary = try await train(
        folder,
        [
          ("trainable: full", "trainable: \(trainable)\ndevice: cuda\n\(setting)"),
          ("epochs: 4", "epochs: 2\nevaluation: {prompts: 2}"),
          ("steps: 3", "steps: 3, guidance_scale: 2"),
        ])
      #expect(summary.isFinished)
      for line in try epochs(folder.path + "/run") {
        #expect((line[.gradNorm]?.number ?? 0) > 0)
        #expect((line[.rewardStd]?.number ?? 0) > 0)
        let deviations = try #require(line[.logProbDeviationPerStep]?.members)
        #expect(!deviations.isEmpty, "\(trainable), \(setting)")
        for member in deviations {
          print("\(trainable), \(setting): step \(member.key): \(member.value)")
        }
      }
      let peaks = try #require(summary.peakMemory)
      #expect(peaks["rollout", default: 0] > 0 && peaks["learning", default: 0] > 0)
    }
  }

  @Test(arguments: ["method: diffusion_nft", "method: awm, clip_range: 1"])
  func `losses on finished samples train on the GPU`(loss: String) async throws {
    let folder = try tinyTask()
    let summary = try await train(
      folder,
      [
        ("trainable: full", "trainable: lora\ndevice: cuda\ndtype: bfloat16"),
        ("epochs: 4", "epochs: 2\nevaluation: {prompts: 2}"),
        ("steps: 3", "method: ode, steps: 3"),
        (
          "clip_range: 3e-2",
          "\(loss), kl_beta: 0.01, old_policy: {decay: 0.5, decay_rate: 0.2}"
        ),
      ])
    #expect(summary.isFinished)
    for line in try epochs(folder.path + "/run") {
      #expect((line[.gradNorm]?.number ?? 0) > 0)
      #expect((line[.oldVelocityDistance]?.number ?? 0) > 0)
    }
  }

  @Test func `two runs on the GPU are equal bit for bit`() async throws {
    let folder = try tinyTask()
    let settings = [
      ("trainable: full", "trainable: lora\ndevice: cuda\ndtype: bfloat16"),
      ("epochs: 4", "epochs: 3\nevaluation: {prompts: 2}"),
      ("clip_range: 3e-2", "clip_range: 3e-2, kl_beta: 0.01, old_log_prob: recomputed"),
    ]
    _ = try await train(folder, settings, run: "first")
    _ = try await train(folder, settings, run: "second")
    for file in ["metrics.jsonl", "adapters/adapter_model.safetensors", "samples/after.png"] {
      let files = try ["first", "second"].map {
        try Data(contentsOf: URL(filePath: "\(folder.path)/\($0)/\(file)"))
      }
      #expect(files[0] == files[1], "\(file)")
    }
  }

  @Test(
    .enabled(
      if: TorchRuntime.hasCUDA && SimulatedCUDA.current == nil,
      "a simulated device runs in step with the host"))
  func `the time between two events is that of the device`() {
    let device = Device.cuda(0)
    let matrix = Tensor.ones([4096, 4096], device: device)
    TorchRuntime.synchronize(device)
    let clock = ContinuousClock.now
    let start = DeviceEvent(device)
    withoutGradient { for _ in 0..<50 { _ = matrix.matmul(matrix) } }
    let end = DeviceEvent(device)
    let queued = clock.duration(to: .now) / .seconds(1)
    let seconds = end.seconds(since: start)
    let whole = clock.duration(to: .now) / .seconds(1)
    // 50 products are 6.9 TFLOP, which outlasts their queueing on any GPU.
    #expect(seconds > queued && seconds <= whole)
  }
}
