import Foundation
import ImageFiles
import TestSupport
import Testing

@Suite struct CommandTests {
  /// Part of the interface: commands may be added and must not be removed.
  static let commands = [
    "train", "launch", "plan", "export", "pretrain", "sample", "evaluate", "score", "report", "compare",
    "doctor",
  ]

  @Test func `the command lists its subcommands and its version`() throws {
    let help = try tempflow("--help")
    #expect(help.status == 0)
    for name in Self.commands { #expect(help.output.contains("  \(name) "), "\(name)") }
    #expect(try tempflow("--version").output.hasPrefix("0."))
  }

  @Test(arguments: CommandTests.commands)
  func `every command's help has an example`(_ name: String) throws {
    let help = try tempflow(name, "--help")
    #expect(help.status == 0)
    #expect(help.output.contains("Example: tempflow \(name) "))
  }

  @Test(arguments: [
    ("train", ["--run-dir", "--resume", "--set", "--init-from", "--json"]),
    (
      "launch",
      [
        "-n, --processes", "--nodes", "--node-rank", "--master", "--port", "--max-restarts",
        "--timeout",
      ]
    ),
    (
      "export",
      ["--format", "--merge", "--model", "--checkpoint", "--output", "--overwrite", "--json"]
    ),
    ("plan", ["--set", "--teraflops", "--processes", "--hosts", "--json"]),
    (
      "sample",
      [
        "--model", "--lora", "--variant", "--dtype", "--prompt-cache", "--prompt", "--prompts",
        "--negative-prompt", "--max-sequence-length", "--height", "--width", "--steps",
        "--guidance-scale", "--seed", "--initial-latents", "--save-latents", "--output", "--json",
      ]
    ),
    (
      "evaluate",
      [
        "--model", "--lora", "--prompts", "--reward", "--reward-model", "--set",
        "--max-missing-scores",
        "--json",
      ]
    ),
    (
      "score",
      [
        "--reward", "--reward-model", "--set", "--max-missing-scores", "--images", "--prompts",
        "--json",
      ]
    ),
    ("pretrain", ["--json"]),
    ("report", ["--output", "--pictures", "--json"]),
    ("doctor", ["--address", "--json"]),
  ])
  func `options keep their names`(_ command: String, _ options: [String]) throws {
    let help = try tempflow(command, "--help").output
    for option in options { #expect(help.contains(option), "\(command) \(option)") }
  }

  @Test func `a plan warns about a reward that cannot run on this machine`() throws {
    let arguments = ["plan", "Recipes/shapes.yaml", "--set", "rewards=[{name: ocr}]"]
    let found = try tempflow(arguments, environment: ["PATH": "/nonexistent"])
    #expect(found.status == 0)
    #expect(found.errors.hasPrefix("warning: ") && found.errors.contains("tesseract-ocr"))
    #expect(try tempflow(arguments).errors.isEmpty)
  }

  /// The budget makes the plan the same on every machine.
  @Test func `the plan of the demo on two processes is the golden one`() throws {
    let arguments = ["plan", "Recipes/shapes.yaml", "--set", "memory_budget=4GB"]
    let found = try tempflow(arguments + ["--processes", "2"])
    #expect(found.status == 0)
    #expect(
      found.errors
        == "warning: the 96 training samples of an update are 1 pass, so 1 of 2 processes trains "
        + "none; optimizer.micro_batch 48 leaves at most 48 samples to a process\n")
    let golden = try String(
      contentsOfFile: fixture("plan/shapes-two-processes.txt"), encoding: .utf8)
    #expect(found.output == golden)
  }

  @Test func `a plan refuses processes that do not fit, and warns of idle ones`() throws {
    func plan(_ more: String...) throws -> CommandOutcome {
      try tempflow(["plan", "Recipes/shapes.yaml"] + more)
    }
    let many = try plan("--processes", "1537")
    #expect(many.status == 1)
    #expect(many.errors.contains("use at most 1536 processes, or prompts.per_epoch 194"))
    let uneven = try plan("--processes", "10", "--hosts", "4")
    #expect(uneven.status == 64 && uneven.errors.contains("use --processes 8 or 12"))
    #expect(try plan("--processes", "0").status == 64)
    let idle = try plan("--processes", "100")
    #expect(idle.status == 0)
    #expect(idle.errors.contains("so 99 of 100 processes train none; optimizer.micro_batch 1 "))
    #expect(idle.errors.contains("fewer updates_per_epoch or more prompts.per_epoch"))
  }

  @Test func `a model with T5 samples images of the requested size, precision and prompts`() throws
  {
    try withTemporaryFolder { folder in
      func sample(_ more: String...) throws -> CommandOutcome {
        try tempflow(
          [
            "sample", "--model", fixture("pipeline/model-t5"), "--prompt", "a red circle",
            "--negative-prompt", "blue", "--guidance-scale", "3", "--steps", "2", "--dtype",
            "bfloat16",
            "--max-sequence-length", "9", "--prompt-cache", "\(folder)/text", "--output",
            "\(folder)/out", "--json",
          ] + more)
      }
      let first = try sample("--height", "8", "--width", "12")
      #expect(first.status == 0, "\(first.errors)")
      #expect(first.errors.contains("encoding prompts 2/2"))
      #expect(try first.json["height"] as? Int == 8)
      let image = try PNG.read("\(folder)/out/0000.png")
      #expect(image.height == 8 && image.width == 12)
      let second = try sample("--height", "8", "--width", "12")
      #expect(!second.errors.contains("encoding"))
      #expect(try PNG.read("\(folder)/out/0000.png") == image)
      let odd = try sample("--height", "8", "--width", "10")
      #expect(odd.status == 1)
      #expect(odd.errors.contains("the width 10 is not a multiple of 4 pixels; 8 and 12 are"))
    }
  }

  @Test func `images are written batch by batch, with their progress`() throws {
    try withTemporaryFolder { folder in
      func sample(batch: String) throws -> [PixelBuffer] {
        let outcome = try tempflow([
          "sample", "--model", "Models/shapes", "--prompt", "a red circle", "--prompt",
          "two blue squares", "--prompt", "a ring", "--steps", "2", "--batch", batch, "--output",
          "\(folder)/\(batch)", "--save-latents", "\(folder)/\(batch).safetensors",
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("sampling 3/3 (100 %)") == (batch == "2"))
        return try (0..<3).map { try PNG.read("\(folder)/\(batch)/000\($0).png") }
      }
      // Rounding depends on the batch and may move a value across a half.
      let pairs = try zip(sample(batch: "2"), sample(batch: "3"))
      for (one, other) in pairs {
        #expect(zip(one.pixels, other.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
      }
      let latents = try ["2", "3"].map {
        try Data(contentsOf: URL(filePath: "\(folder)/\($0).safetensors")).count
      }
      #expect(latents[0] == latents[1])
    }
  }

  @Test func `an evaluation without any score has no mean and fails`() throws {
    try withTemporaryFolder { folder in
      try Data("a red circle\na blue square\n".utf8).write(to: URL(filePath: "\(folder)/p.txt"))
      let arguments = [
        "evaluate", "--model", "Models/shapes", "--prompts", "\(folder)/p.txt", "--reward", "http",
        "--set", "urls=[\"http://127.0.0.1:9\"]", "--set", "outage_timeout=0", "--steps", "1",
      ]
      let lines = try tempflow(arguments)
      #expect(lines.status == 1)
      #expect(lines.output.contains("overall  -  n=0"), "\(lines.output)")
      #expect(lines.output.contains("2 of 2 could not be scored (unreachable: 2)"))
      #expect(lines.errors.contains("2 of 2 scores of http are missing"), "\(lines.errors)")
      let object = try tempflow(arguments + ["--max-missing-scores", "1", "--json"])
      #expect(object.status == 0, "\(object.errors)")
      let overall = (try object.json["scores"] as? [String: Any])?["overall"] as? [String: Any]
      #expect(overall?["count"] as? Int == 0 && overall?["mean"] == nil)
      #expect(try object.json["missing"] as? Int == 2)
      #expect(try object.json["missing_reasons"] as? [String: Int] == ["unreachable": 2])
    }
  }

  @Test func `an unknown command or option is refused with usage`() throws {
    #expect(try tempflow("trian").status == 64)
    let option = try tempflow("plan", "Recipes/shapes.yaml", "--jsno")
    #expect(option.status == 64)
    #expect(option.errors.contains("--json"))
  }

  @Test func `kernels are switched off by the environment, and unknown ones refused`() throws {
    func run(_ command: String..., kernels: String) throws -> CommandOutcome {
      try tempflow(command, environment: ["TEMPFLOW_CPU_KERNELS": kernels])
    }
    let off = try run("doctor", kernels: "off")
    #expect(off.status == 0)
    #expect(off.output.contains("off: joint_block (switched off by TEMPFLOW_CPU_KERNELS)"))
    let message = "there is no kernel 'gelu'; it may be all, off, or some of joint_block, "
    let plan = try run("plan", "Recipes/shapes.yaml", kernels: "joint_block,gelu")
    #expect(plan.status == 1)
    #expect(plan.output.isEmpty && plan.errors.contains(message), "\(plan.errors)")
    let help = try run("plan", "--help", kernels: "joint_block,gelu")
    #expect(help.status == 0 && help.output.contains("USAGE"), "\(help.errors)")
    let doctor = try run("doctor", kernels: "joint_block,gelu")
    #expect(doctor.status == 1)
    #expect(doctor.output.contains("FAIL  kernels") && doctor.output.contains(message))
  }

  @Test func `a faulty recipe is refused with its place before anything is loaded`() throws {
    let outcome = try tempflow(
      "plan", "Recipes/shapes.yaml", "--set", "sampling.brnches=4", "--set", "epochs=-1")
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("--set sampling.brnches"))
    #expect(outcome.errors.contains("did you mean \"branches\"?"))
    #expect(outcome.errors.contains("--set epochs: must be between 1"))
    #expect(outcome.output.isEmpty)
  }

  @Test func `a recipe of the other kind is refused with the command that reads it`() throws {
    let plan = try tempflow("plan", "Recipes/shapes-pretrain.yaml")
    #expect(plan.status == 1)
    #expect(
      plan.errors.contains(
        "Recipes/shapes-pretrain.yaml:3:1: is a pretraining recipe; run it with tempflow pretrain"),
      "\(plan.errors)")
    #expect(!plan.errors.contains("unknown key"))
    let pretrain = try tempflow("pretrain", "Recipes/shapes.yaml")
    #expect(pretrain.status == 1)
    #expect(
      pretrain.errors.contains("is a training recipe; run it with tempflow train"),
      "\(pretrain.errors)")
    #expect(!pretrain.errors.contains("unknown key"))
  }

  @Test func `a missing recipe is refused by name`() throws {
    let outcome = try tempflow("train", "Recipes/nothing.yaml")
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("Recipes/nothing.yaml:1:1: no such file"))
  }

  @Test func `a missing device or reward is refused before a run directory is created`()
    throws
  {
    let folder = "\(FileManager.default.temporaryDirectory.path)/tempflow-no-run-\(UUID())"
    let start = ["train", "Recipes/shapes.yaml", "--run-dir", folder, "--set"]
    let device = try tempflow(start + ["device=cuda:99"])
    #expect(device.status == 1)
    #expect(device.errors.contains("the device cuda:99 cannot be used"), "\(device.errors)")
    let reward = try tempflow(start + ["rewards=[{name: pickscore}]"])
    #expect(reward.status == 1)
    #expect(reward.errors.contains("is required and missing"), "\(reward.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder))
  }

  @Test func `a run directory without a run is refused by train --resume and by report`() throws {
    let missing = "\(FileManager.default.temporaryDirectory.path)/tempflow-no-run-\(UUID())"
    let report = try tempflow("report", missing)
    #expect(report.status == 1)
    #expect(report.errors.contains("There is no run in \(missing)"))
  }
}
