import Foundation
import TestSupport
import Testing

/// Runs of several processes have the files of a run of one process, byte for byte.
@Suite(
  .serialized,
  .enabled(
    if: batchesOfFourRoundAlike,
    "this processor rounds a row of a product by the number of rows, also above three"))
struct ProcessEqualityTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let sections: [String: String]
    let processes: [Int]
    /// Figures of an epoch that must be above zero.
    var figures: [String] = []
  }

  private static let scored = "{name: shapes, mode: partial}"
  /// A program, shared by the processes, that has no score for some prompts.
  private static let program = "{name: process, command: [python3, scorer.py], weight: 0.2}"

  static let cases = [
    Case(
      testDescription: "groups of a seed on two ranks, two rewards, distance to the reference in "
        + "velocities, centered ratios, limited noise, falling learning rate",
      sections: [
        "prompts": prompts(perEpoch: 17),
        "rewards": "[\(scored), {name: jpeg_compressibility, weight: 3}]",
        "sampling":
          "{steps: 4, guidance_scale: 1, branches: 3, micro_batch: 12, noise_limit: 0.5}",
        "loss": "{clip_range: 3e-2, kl_beta: 0.05, kl_space: velocity, ratio: centered}",
        "optimizer":
          "{learning_rate: 1e-3, cooldown: 0.5, updates_per_epoch: 3, micro_batch: 6}",
      ], processes: [2, 3, 4], figures: ["kl"]),
    Case(
      testDescription: "Flow-GRPO, groups of a prompt on two ranks, missing scores, recomputed",
      sections: [
        "prompts": prompts(perEpoch: 5), "rewards": "[\(scored), \(program)]",
        "max_missing_scores": "0.8",
        "sampling":
          "{method: flow_grpo, steps: 4, guidance_scale: 1, branches: 4, micro_batch: 12}",
        "advantage": "{baseline: prompt}",
        "loss": "{clip_range: 3e-2, weighting: none, old_log_prob: recomputed}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 3, micro_batch: 7}",
      ], processes: [2, 3, 4], figures: ["reward_missing", "training_samples_skipped"]),
    Case(
      testDescription: "adapters, one scale, tails, a mean without skipped samples, weights of "
        + "inverse noise, rollout in parts, checkpointing",
      sections: [
        "prompts": prompts(perEpoch: 12), "rewards": "[{name: shapes, mode: strict}]",
        "trainable": "lora", "lora": "{rank: 4}", "gradient_checkpointing": "true",
        "sampling": "{steps: 4, guidance_scale: 1, branches: 2, seeds_per_prompt: 2, "
          + "micro_batch: 12, trained_steps: [0, 1], trunks_per_rollout_batch: 4, "
          + "tail: {stride: 2}}",
        "advantage": "{baseline: prompt, scale: step}",
        "loss":
          "{clip_range: 3e-2, kl_beta: 0.05, average: active, weighting: inverse_noise}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 3, micro_batch: 5}",
      ], processes: [3], figures: ["kl", "training_samples_skipped"]),
    Case(
      testDescription: "adapters on a base that ranks share, gains over the trunk",
      sections: [
        "prompts": prompts(perEpoch: 9), "rewards": "[{name: shapes, mode: strict}]",
        "trainable": "lora", "lora": "{rank: 4}", "gradient_checkpointing": "true",
        "shard": "base",
        "sampling": "{steps: 4, guidance_scale: 1, branches: 3, micro_batch: 12, "
          + "trained_steps: [0, 1]}",
        "advantage": "{baseline: trunk}", "loss": "{clip_range: 3e-2, kl_beta: 0.05}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 3, micro_batch: 5}",
      ], processes: [2], figures: ["kl", "training_samples_skipped"]),
    Case(
      testDescription: "gains over the trunk, rewards normalized one by one, missing scores",
      sections: [
        "prompts": prompts(perEpoch: 7), "rewards": "[\(scored), \(program)]",
        "max_missing_scores": "0.8",
        "sampling":
          "{steps: 4, guidance_scale: 1, branches: 2, seeds_per_prompt: 2, micro_batch: 12}",
        "advantage": "{baseline: trunk, scale: max_group, combination: gdpo}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 3, micro_batch: 5}",
      ], processes: [3], figures: ["reward_missing"]),
    Case(
      testDescription: "Flow-GRPO-Fast with guidance, one deviation of the batch, steps drawn each "
        + "epoch, one pass an update",
      sections: [
        "prompts": prompts(perEpoch: 5),
        "sampling": "{method: flow_grpo_fast, steps: 4, guidance_scale: 2, branches: 4, "
          + "micro_batch: 12, trained_steps: {window: 2}}",
        "advantage": "{baseline: prompt, scale: batch}",
        "loss": "{clip_range: 3e-2, weighting: none}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 4, micro_batch: 64}",
      ], processes: [2, 3]),
    Case(
      testDescription: "DiffusionNFT with an old policy of its own on a base that ranks share",
      sections: [
        "prompts": prompts(perEpoch: 5), "epochs": "3",
        "trainable": "lora", "lora": "{rank: 4}", "gradient_checkpointing": "true",
        "shard": "base",
        "sampling": "{method: ode, steps: 4, guidance_scale: 1, branches: 4, micro_batch: 12}",
        "advantage": "{baseline: prompt, scale: batch}",
        "loss": "{method: diffusion_nft, kl_beta: 0.05, old_policy: {decay: 0.5, decay_rate: 0.1}}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 2, micro_batch: 7}",
      ], processes: [2, 3], figures: ["kl", "old_velocity_distance"]),
    Case(
      testDescription: "advantage-weighted matching of all weights with an old policy of its own",
      sections: [
        "prompts": prompts(perEpoch: 5), "epochs": "3",
        "sampling": "{method: ode, steps: 4, guidance_scale: 1, branches: 4, micro_batch: 12}",
        "advantage": "{baseline: prompt}",
        "loss": "{method: awm, clip_range: 1, time_weight: sigma, kl_beta: 0.05, "
          + "old_kl_beta: 0.5, old_policy: {decay: 0.5, decay_rate: 0.1}}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 2, micro_batch: 7}",
      ], processes: [2, 3], figures: ["kl", "old_velocity_distance"]),
    Case(
      testDescription: "a trunk for each process, and an image of the evaluation",
      sections: [
        "prompts": prompts(perEpoch: 4), "epochs": "3",
        "evaluation": "{every: 2, prompts: 4, steps: 3, samples: 4}",
        "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 2, micro_batch: 2}",
      ], processes: [4]),
  ]

  private static func prompts(perEpoch: Int) -> String {
    "{train: prompts.jsonl, evaluation: \(repositoryFolder())/Prompts/shapes/held-out.jsonl, "
      + "per_epoch: \(perEpoch)}"
  }

  @Test(arguments: cases)
  func `processes have the files of one process`(_ example: Case) throws {
    try withTemporaryFolder { folder in
      let task = try SmallTask(example.sections, in: folder)
      let alone = try task.train(1, "1")
      #expect(alone.statuses == [0], "\(alone.text)")
      let epochs = try task.metrics("1")
      #expect(try #require(epochs.last?["updates"] as? Int) >= 5)
      for figure in example.figures {
        #expect(epochs.contains { $0[figure] as? Double ?? 0 > 0 }, "\(figure)")
      }
      for count in example.processes {
        let together = try task.train(count, "\(count)")
        #expect(together.statuses.allSatisfy { $0 == 0 }, "\(together.text)")
        let differences = try task.differences("1", "\(count)")
        #expect(differences == [], "\(count) processes")
      }
    }
  }

  @Test func `a run that is killed and goes on with other numbers of processes is the same run`()
    throws
  {
    try withTemporaryFolder { folder in
      let task = try SmallTask(
        [
          "prompts": Self.prompts(perEpoch: 16), "epochs": "8", "checkpoints": "{every: 1}",
          "evaluation": "{every: 4, prompts: 16, steps: 3, samples: 5}",
        ], in: folder)
      let whole = try task.train(1, "whole")
      #expect(whole.statuses == [0], "\(whole.text)")
      let alone = try task.start(1, "killed")
      try alone.wait(forEpoch: 1, of: "killed", in: task)
      alone.send(SIGKILL, to: 0)
      #expect(try alone.wait().statuses == [nil])
      let three = try task.start(3, "killed", ["--resume"])
      try three.wait(forEpoch: 4, of: "killed", in: task)
      let victim = Int.random(in: 0..<3)
      three.send(SIGKILL, to: victim)
      let lost = try three.wait()
      #expect(lost.statuses.enumerated().allSatisfy { ($0 == victim) == ($1 == nil) && $1 != 0 })
      let two = try task.train(2, "killed", ["--resume"])
      #expect(two.statuses == [0, 0], "\(two.text)")
      #expect(two.errors[0].contains("Resuming after epoch"))
      let differences = try task.differences("whole", "killed")
      #expect(differences == [], "rank \(victim) of 3 was killed")
    }
  }
}
