import Foundation
import TestSupport

/// A folder in which a page's commands run: the recipes, the embedded model and tiny stand-ins for
/// downloads.
struct CommandSandbox {
  let folder: String

  init(_ folder: String) throws {
    self.folder = folder
    let files = FileManager.default
    let root = repositoryFolder()
    for name in ["Models", "Prompts", "runs", "bin"] {
      try files.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    // Copies: recipes' paths start from their resolved folder, and pretraining writes a model.
    for name in ["Recipes", "Models/shapes", "Models/shapes-edit", "Prompts/shapes-edit"] {
      try files.copyItem(atPath: "\(root)/\(name)", toPath: "\(folder)/\(name)")
    }
    try files.copyItem(
      atPath: fixture("pipeline/model-t5"), toPath: "\(folder)/Models/stable-diffusion-3.5-medium")
    try files.copyItem(atPath: fixture("flux-dev/model"), toPath: "\(folder)/Models/FLUX.1-dev")
    try files.copyItem(
      atPath: fixture("qwen-image-pipeline/model"), toPath: "\(folder)/Models/Qwen-Image")
    try files.copyItem(
      atPath: fixture("flux-kontext/model"), toPath: "\(folder)/Models/FLUX.1-Kontext-dev")
    try files.copyItem(
      atPath: fixture("flux-kontext/sources/23x15.jpg"), toPath: "\(folder)/photo.jpg")
    try files.createSymbolicLink(
      atPath: "\(folder)/bin/tempflow", withDestinationPath: builtProduct("tempflow"))
    try writePrompts()
  }

  /// Prompts for one epoch of each recipe, a dozen held-out ones, and one for `score`.
  private func writePrompts() throws {
    let files = FileManager.default
    for name in ["shapes", "pickscore", "edits"] {
      try files.createDirectory(
        atPath: "\(folder)/Prompts/\(name)", withIntermediateDirectories: true)
    }
    for (name, count) in [("train", 200), ("held-out", 12)] {
      let path = "Prompts/shapes/\(name).jsonl"
      let text = try String(contentsOfFile: "\(repositoryFolder())/\(path)", encoding: .utf8)
      let lines = text.split(separator: "\n")
      let part = stride(from: 0, to: lines.count, by: max(1, lines.count / count)).map { lines[$0] }
      try write(part.joined(separator: "\n"), path)
    }
    for name in ["train", "test"] {
      let lines = (1...48).map { "\($0) red circles" }
      try write(lines.joined(separator: "\n"), "Prompts/pickscore/\(name).txt")
      let edits = lines.map { "{\"prompt\": \"make it \($0)\", \"image\": \"../../photo.jpg\"}" }
      try write(edits.joined(separator: "\n"), "Prompts/edits/\(name).jsonl")
    }
    try write("a sign that says \"stop\"", "prompts.txt")
  }

  private func write(_ text: String, _ name: String) throws {
    try Data((text + "\n").utf8).write(to: URL(filePath: "\(folder)/\(name)"))
  }

  /// Runs a command with settings that make it small.
  func run(_ command: DocumentedCommand) throws -> ProgramRun {
    try shell(command.text + Self.small(command).map { " '\($0)'" }.joined())
  }

  /// Trains the runs that a page's commands read and do not make.
  func prepare(_ path: String) throws {
    switch path {
    case "docs/lora.md":
      try train("runs/lora", ["trainable=lora", "epochs=60", "checkpoints.every=60"])
    case "docs/command-line.md":
      try train("runs/lora", ["trainable=lora"])
      try train("runs/flow-grpo-seed-1", [])
      try FileManager.default.copyItem(
        atPath: "\(folder)/runs/flow-grpo-seed-1", toPath: "\(folder)/runs/tempflow-grpo-seed-1")
    default: break
    }
  }

  /// Trains the shapes with a reward that differs between any two images.
  private func train(_ directory: String, _ settings: [String]) throws {
    let all = Self.training + ["rewards=[{name: jpeg_compressibility}]"] + settings
    let run = try shell(
      "tempflow train Recipes/shapes.yaml --run-dir \(directory)"
        + Self.set(all).map { " '\($0)'" }.joined())
    guard run.status == 0 else { throw CommandFailed(output: run.output) }
  }

  private func shell(_ text: String) throws -> ProgramRun {
    try ProgramRun(
      "/usr/bin/env", ["bash", "-c", "cd '\(folder)' && PATH='\(folder)/bin':$PATH && \(text)"],
      environment: ["XDG_CACHE_HOME": "\(folder)/cache", "OMP_WAIT_POLICY": "passive"])
  }

  /// Arguments that are added to a command.
  private static func small(_ command: DocumentedCommand) -> [String] {
    let words = command.words
    let isFullSize = [
      "sd3.5", "stable-diffusion-3.5", "flux.1", "FLUX.1", "qwen-image", "Qwen-Image",
    ].contains {
      command.text.contains($0)
    }
    switch words[1] {
    case "train", "launch", "bench":
      return train(isFullSize) + (words[1] == "bench" ? ["--epochs", "1"] : [])
    case "plan": return isFullSize ? set(fullSize) : []
    case "pretrain": return set(pretraining)
    case "sample":
      // An edit has the size of its source image.
      let isSized = isFullSize && !words.contains("--image")
      return ["--steps", "2", "--device", "cpu"]
        + (isSized ? ["--height", "8", "--width", "8"] : [])
    case "evaluate": return ["--steps", "2", "--device", "cpu"]
    default: return []
    }
  }

  private static func train(_ isFullSize: Bool) -> [String] {
    set(training + (isFullSize ? fullSize : []))
  }

  private static func set(_ settings: [String]) -> [String] {
    settings.flatMap { ["--set", $0] }
  }

  private static let training = [
    "epochs=1", "prompts.per_epoch=1", "sampling.steps=2", "sampling.trained_steps=all",
    "sampling.branches=2",
    "sampling.seeds_per_prompt=1", "optimizer.updates_per_epoch=1", "evaluation.prompts=2",
    "evaluation.samples=2", "evaluation.steps=2", "threads=1",
  ]
  /// Settings for the tiny folders that stand in for published models.
  private static let fullSize = [
    "device=cpu", "dtype=float32", "vae_dtype=float32", "resolution=8", "evaluation.prompts=2",
    "rewards=[{name: jpeg_compressibility}]",
  ]
  private static let pretraining = [
    "data.images=32", "autoencoder.steps=1", "flow.steps=1", "flow.batch=4", "autoencoder.batch=4",
    "evaluation.every=1", "evaluation.count=2", "evaluation.steps=1",
  ]
}

/// A command of the set-up failed.
struct CommandFailed: Error, CustomStringConvertible {
  let output: String
  var description: String { String(output.suffix(800)) }
}
