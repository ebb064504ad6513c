/// The settings of a recipe that a resumed run may change: an epoch does not depend on them.
package enum ResumableSettings {
  /// On `epochs` and `time_limit` only the learning rate depends, under `optimizer.cooldown`.
  private static let all: Set = [
    "epochs", "time_limit", "checkpoints.every", "checkpoints.keep",
    "gradient_checkpointing", "offload", "shard", "memory_budget", "sampling.decode_micro_batch",
    "prompt_cache", "max_missing_scores",
  ]

  /// Files and folders. What they hold is compared by `RunFingerprint`, and a checkpoint has what
  /// became of adapters to start from.
  private static let paths: Set = ["model", "prompts.train", "prompts.evaluation", "lora.init_from"]

  /// Within an entry of `rewards` or `held_out_rewards`: how a reward is reached. Its scores do not
  /// depend on them.
  private static let ofRewards: Set = [
    "batch_size", "command", "directory", "urls", "proxy", "timeout", "retries", "outage_timeout",
    "concurrency", "api_key_variable", "image_transport", "threshold", "patience", "action",
  ]

  /// Whether a setting names a file or a folder, by its dotted path: those of the run, and the
  /// folder of a reward's network.
  package static func isPath(_ path: String) -> Bool {
    paths.contains(path) || path.hasSuffix(".model")
  }

  /// Whether a resumed run may change a setting, by its dotted path, such as `rewards.0.timeout`.
  package static func mayChange(_ path: String) -> Bool {
    let keys = path.split(separator: ".").map(String.init)
    return all.contains(path) || paths.contains(path)
      || keys.count == 3 && ["rewards", "held_out_rewards"].contains(keys[0])
        && ofRewards.contains(keys[2])
  }
}
