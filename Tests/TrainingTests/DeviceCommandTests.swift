import Foundation
import Foundations
import Runs
import TestSupport
import Testing
import Torch

/// Every command with a device option, compared with the same command on the CPU, each in its own
/// process. The CPU generates the noise of both, so the results must agree.
@Suite(.serialized, .enabled(if: TorchRuntime.hasCUDA, "needs a CUDA device, real or simulated"))
struct DeviceCommandTests {
  /// Tolerance for float32 sums in another order.
  private let tolerance = 1e-4
  /// Relative and absolute tolerance of a run's metrics. A GPU rounds otherwise than a CPU, and one
  /// pixel of these small images that becomes another number changes the reward, the size of a file,
  /// by up to a twentieth of the rewards' deviation. A simulated device has the CPU's kernels.
  private let metricTolerance = SimulatedCUDA.current == nil ? (0.05, 1e-5) : (1e-4, 2e-6)
  private let samplingFlags = [
    "--model", "model", "--steps", "4", "--guidance-scale", "2", "--batch", "4",
  ]

  private func task(_ changes: [(String, String)] = []) throws -> TemporaryFolder {
    let folder = try tinyTask()
    let text = recipeText(
      [
        ("trainable: full", "trainable: lora\nlora: {rank: 2, targets: [attn.to_q, attn.to_v]}"),
        ("steps: 3", "steps: 3, guidance_scale: 2, micro_batch: 16, noise_generator: cpu"),
        ("name: shapes", "name: jpeg_incompressibility"),
        ("clip_range: 3e-2", "clip_range: 3e-2, kl_beta: 0.01"),
        ("epochs: 4", "epochs: 2\nthreads: 1\nevaluation: {every: 2}\ncheckpoints: {every: 1}"),
      ] + changes)
    try folder.write(text, to: "tiny.yaml")
    return folder
  }

  private func run(
    _ arguments: [String], in folder: TemporaryFolder, _ environment: [String: String] = [:]
  ) throws -> String {
    let outcome = try TempFlowProcess.run(
      arguments, in: folder.path, environment: environment)
    #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
    return outcome.output
  }

  private func json(_ arguments: [String], in folder: TemporaryFolder) throws -> [String: Any] {
    let output = try run(arguments + ["--json"], in: folder)
    return try #require(
      try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
  }

  /// The values of a run's metrics by their path, `epoch.1.grad_norm`.
  private func numbers(_ run: String) throws -> [String: Double] {
    var found: [String: Double] = [:]
    func add(_ value: JSONValue, _ path: String) {
      if let number = value.number { found[path] = number }
      for member in value.members ?? [] { add(member.value, "\(path).\(member.key)") }
      for (index, element) in (value.array ?? []).enumerated() { add(element, "\(path).\(index)") }
    }
    for (index, line) in try MetricsLog.read(run + "/metrics.jsonl").enumerated() {
      add(line, "\(index)")
    }
    return found
  }

  private func expectClose(_ found: [String: Double], _ expected: [String: Double]) {
    #expect(Set(expected.keys) == Set(found.keys))
    let (relative, absolute) = metricTolerance
    for (place, value) in expected {
      let difference = abs(found[place, default: .nan] - value)
      #expect(difference <= max(relative * abs(value), absolute), "\(place): \(value)")
    }
  }

  @Test func `prompts of unequal length train on the GPU as on the CPU, with blocks on the host`()
    throws
  {
    let folder = try task([
      (
        "trainable: lora\nlora: {rank: 2, targets: [attn.to_q, attn.to_v]}",
        "trainable: lora\nlora: {rank: 2}\nresolution: [16, 24]\ngradient_checkpointing: true"
      ),
      ("steps: 3, guidance_scale: 2", "steps: 3, guidance_scale: 4, noise_level: 0.7"),
    ])
    try FileManager.default.removeItem(atPath: "\(folder.path)/model")
    try FileManager.default.copyItem(
      atPath: fixture("qwen-image-pipeline/model"), toPath: "\(folder.path)/model")
    func metrics(_ name: String, _ settings: String...) throws -> [String: Double] {
      let assignments = (settings + ["epochs=1"]).flatMap { ["--set", $0] }
      _ = try run(["train", "tiny.yaml", "--run-dir", name] + assignments, in: folder)
      return try numbers("\(folder.path)/\(name)")
    }
    let found = try metrics("gpu", "device=cuda", "offload=blocks")
    #expect(try found == metrics("resident", "device=cuda"))
    expectClose(found, try metrics("cpu", "device=cpu"))
  }

  @Test(arguments: TorchRuntime.cudaDeviceCount > 1 ? ["cuda", "cuda:1"] : ["cuda"])
  func `training has the metrics of the CPU`(device: String) throws {
    let folder = try task()
    for name in ["cpu", device] {
      _ = try run(
        ["train", "tiny.yaml", "--run-dir", name, "--set", "device=\(name)"], in: folder)
    }
    expectClose(try numbers("\(folder.path)/\(device)"), try numbers(folder.path + "/cpu"))
    let summary = try #require(
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(filePath: "\(folder.path)/\(device)/summary.json")))
        as? [String: Any])
    #expect((summary["machine"] as? [String: Any])?["tf32"] as? Bool == false)
  }

  @Test(arguments: ["float32", "bfloat16", "float16"])
  func `a resumed run equals the one that was not interrupted`(dtype: String) throws {
    let folder = try task([("clip_range: 3e-2", "clip_range: 3e-2, weighting: noise_aware")])
    let arguments = [
      "train", "tiny.yaml", "--set", "device=cuda", "--set", "dtype=\(dtype)",
      "--set", "sampling.noise_generator=device",
    ]
    _ = try run(arguments + ["--run-dir", "whole"], in: folder)
    _ = try run(arguments + ["--run-dir", "parts", "--set", "epochs=1"], in: folder)
    _ = try run(arguments + ["--run-dir", "parts", "--resume"], in: folder)
    let file = "checkpoints/000002/model.safetensors"
    let weights = try ["whole", "parts"].map {
      try Data(contentsOf: URL(filePath: "\(folder.path)/\($0)/\(file)"))
    }
    #expect(weights[0] == weights[1])
    // The resumed run has one evaluation more.
    let epochs = try ["whole", "parts"].map {
      try MetricsLog.read("\(folder.path)/\($0)/metrics.jsonl").filter { $0[.kind] == "epoch" }
    }
    #expect(epochs[0] == epochs[1])
    for line in epochs[0] {
      #expect((line[.gradNorm]?.number ?? 0) > 0)
      #expect((line[.lossScale]?.number != nil) == (dtype == "float16"))
    }
  }

  @Test func `images and their scores equal those of the CPU`() throws {
    let folder = try task()
    var latents: [String: Tensor] = [:]
    var scores: [String: Double] = [:]
    let devices = ["cpu", "cuda"] + (TorchRuntime.cudaDeviceCount > 1 ? ["cuda:1"] : [])
    for device in devices {
      _ = try run(
        ["sample", "--prompts", "held-out.jsonl", "--output", device, "--device", device]
          + ["--save-latents", "\(device).safetensors"] + samplingFlags, in: folder)
      latents[device] = try SafetensorsFile(path: "\(folder.path)/\(device).safetensors")
        .tensors["latents"]
      let report = try json(
        ["evaluate", "--prompts", "held-out.jsonl", "--reward", "jpeg_incompressibility"]
          + ["--device", device] + samplingFlags, in: folder)
      let overall = (report["scores"] as? [String: Any])?["overall"] as? [String: Any]
      scores[device] = overall?["mean"] as? Double
    }
    let expected = try #require(latents["cpu"])
    for device in devices.dropFirst() {
      #expect(relativeError(try #require(latents[device]), expected) < 1e-5)
      #expect(abs(try #require(scores[device]) - scores["cpu"]!) < tolerance)
    }
  }

  @Test func `an editing model edits and trains as on the CPU`() throws {
    let folder = try editTask()
    let text = editRecipeText(reward: "jpeg_incompressibility")
    try folder.write(
      text.replacing("steps: 3", with: "steps: 3, noise_generator: cpu"), to: "edit.yaml")
    var latents: [Tensor] = []
    for device in ["cpu", "cuda"] {
      _ = try run(
        ["sample", "--model", "model", "--prompt", "make it red", "--steps", "4"]
          + ["--image", "sources/21x13.png", "--output", "out", "--device", device]
          + ["--save-latents", "\(device).safetensors"], in: folder)
      latents.append(
        try #require(
          try SafetensorsFile(path: "\(folder.path)/\(device).safetensors").tensors["latents"]))
      _ = try run(
        ["train", "edit.yaml", "--run-dir", device, "--set", "device=\(device)"], in: folder)
    }
    #expect(relativeError(latents[1], latents[0]) < 1e-5)
    expectClose(try numbers(folder.path + "/cuda"), try numbers(folder.path + "/cpu"))
  }

  @Test(arguments: [
    ("pickscore", "clip/quick-gelu"), ("aesthetic", "clip/quick-gelu"), ("hpsv2", "clip/open-clip"),
    ("imagereward", "imagereward"), ("hpsv3", "hpsv3"),
  ])
  func `a reward's network scores on the device as on the CPU`(reward: String, model: String)
    throws
  {
    let folder = try task()
    let clip = fixture("rewards/clip")
    try FileManager.default.createDirectory(
      atPath: folder.path + "/pictures", withIntermediateDirectories: true)
    for name in ["small", "square", "tall", "wide"] {
      try FileManager.default.copyItem(
        atPath: "\(clip)/\(name).png", toPath: "\(folder.path)/pictures/\(name).png")
    }
    try folder.write("a cat\na dog\na fox\nan owl\n", to: "prompts.txt")
    let scores = try ["cpu", "cuda"].map { device in
      let report = try json(
        ["score", "--reward", reward, "--reward-model", fixture("rewards/\(model)")]
          + ["--images", "pictures", "--prompts", "prompts.txt", "--set", "device=\(device)"],
        in: folder)
      return (report["images"] as? [[String: Any]] ?? []).compactMap { $0["score"] as? Double }
    }
    #expect(scores[0].count == 4)
    #expect(relativeError(scores[1], scores[0]) < 1e-5)
  }

  @Test func `bench and doctor report the device`() throws {
    let folder = try task()
    let report = try json(
      ["bench", "tiny.yaml", "--epochs", "1", "--set", "device=cuda"], in: folder)
    #expect(report["device"] as? String == "cuda:0")
    #expect((report["evaluations_per_epoch"] as? Int ?? 0) > 0)
    #expect((report["peak_memory_bytes"] as? Int ?? 0) > 0)
    let findings = try json(["doctor", "--model", "model"], in: folder)["findings"]
    let cuda = (findings as? [[String: Any]])?.first { $0["subject"] as? String == "CUDA" }
    #expect(cuda?["level"] as? String == "good")
    #expect((cuda?["detail"] as? String ?? "").contains("\(TorchRuntime.cudaDeviceCount) device"))
  }

  @Test func `a device that does not exist is an error before anything is written`() throws {
    let folder = try task()
    let commands = [
      ["train", "tiny.yaml", "--run-dir", "run", "--set", "device=cuda:99"],
      ["sample", "--prompt", "a", "--output", "out", "--device", "cuda:99"] + samplingFlags,
      ["evaluate", "--prompts", "held-out.jsonl", "--reward", "shapes", "--device", "cuda:99"]
        + samplingFlags,
    ]
    for command in commands {
      let outcome = try TempFlowProcess.run(command, in: folder.path)
      #expect(outcome.status != 0)
      #expect(outcome.errors.contains("cuda:99 cannot be used"), "\(outcome.errors)")
    }
    for output in ["run", "out"] {
      #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/\(output)"))
    }
  }

  @Test(.enabled(if: SimulatedCUDA.current != nil, "limits a simulated device's memory"))
  func `a lack of memory names phase, micro-batch and remedy, and the checkpoint is sound`()
    throws
  {
    let folder = try task()
    let arguments = ["train", "tiny.yaml", "--run-dir", "run", "--set", "device=cuda"]
    _ = try run(arguments + ["--set", "epochs=1"], in: folder)
    let weights = URL(filePath: "\(folder.path)/run/checkpoints/000001/model.safetensors")
    let before = try Data(contentsOf: weights)
    // Enough for the model and the start of a rollout, and too little for an epoch.
    var statuses: [Int32] = []
    for kilobytes in [300, 600, 1200, 2400] {
      let outcome = try TempFlowProcess.run(
        arguments + ["--resume"], in: folder.path,
        environment: ["SIMULATED_CUDA_MEMORY": "\(kilobytes << 10)"])
      statuses.append(outcome.status)
      if outcome.status == 0 { break }
      #expect(outcome.status == 71, "\(kilobytes) kB: \(outcome.errors)")
      let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("error:") }
      #expect(lines.count == 1, "\(outcome.errors)")
      #expect(outcome.errors.contains("out of memory on cuda:0 in the phase"))
      #expect(outcome.errors.contains("Tried to allocate"))
      #expect(outcome.errors.contains("run/checkpoints/000001; --resume goes on from it"))
      #expect(try Data(contentsOf: weights) == before)
    }
    #expect(statuses.contains(71))
    _ = try run(arguments + ["--resume"], in: folder)
    let summary = try Data(contentsOf: URL(filePath: folder.path + "/run/summary.json"))
    #expect(String(decoding: summary, as: UTF8.self).contains("\"finished\""))
  }

  @Test(.enabled(if: SimulatedCUDA.current != nil, "limits a simulated device's memory"))
  func `sampling without enough memory names the option to lower`() throws {
    let folder = try task()
    let outcome = try TempFlowProcess.run(
      ["sample", "--prompt", "a", "--output", "out", "--device", "cuda"] + samplingFlags,
      in: folder.path, environment: ["SIMULATED_CUDA_MEMORY": "\(64 << 10)"])
    #expect(outcome.status == 71, "\(outcome.errors)")
    #expect(outcome.errors.contains("out of memory on cuda:0 (--batch 4)"))
    #expect(outcome.errors.contains("Lower --batch"))
  }
}
