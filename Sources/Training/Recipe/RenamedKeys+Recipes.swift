internal import Recipes
internal import Rewards

// docs/renamed.md lists the same names as a table.

extension RenamedKeys {
  /// The renamed keys and values of a training recipe.
  static let training = RenamedKeys(
    keys: [
      "sampling.guidance": "guidance_scale",
      "evaluation.guidance": "guidance_scale",
      "sampling.trunks_at_once": "trunks_per_rollout_batch",
      "sampling.trained_steps.early": "first",
      "sampling.trained_steps.rotating": "sliding",
      "sampling.trained_steps.sampled": "random",
      "advantage.group": "baseline: seed or prompt; for batch, baseline: prompt and scale: step",
      "loss.guard": "ratio: grpo_guard",
      "loss.log_probability": "old_log_prob",
      "optimizer.gradient_norm": "max_grad_norm",
      "ema.interval": "update_every",
      "recompute": "gradient_checkpointing: true",
      "text_cache": "prompt_cache",
      "max_missing": "max_missing_scores",
      "init_lora": "lora.init_from",
      "watch": "held_out_rewards",
      "held_out_rewards.*.evaluations": "patience",
    ].merging(
      ["rewards", "held_out_rewards"].flatMap { list in
        RewardEntry.renamedKeys.map { ("\(list).*.\($0)", $1) }
      }, uniquingKeysWith: { first, _ in first }),
    values: [
      "sampling.method=flow_grpo_window": "flow_grpo_fast",
      "sampling.dynamics=sde": "flow_sde",
      "sampling.dynamics=coefficient_preserving": "cps",
      "sampling.dynamics=constant_rate": "dance_sde",
      "loss.weighting=noise": "noise_aware",
    ])

  /// The renamed keys of a pretraining recipe.
  static let pretraining = RenamedKeys(keys: [
    "autoencoder.gradient_norm": "max_grad_norm",
    "autoencoder.divergence_weight": "kl_weight",
    "autoencoder.squared_error_weight": "mse_weight",
    "flow.gradient_norm": "max_grad_norm",
    "flow.text_dropout": "caption_dropout",
    "flow.timestep_mean": "logit_mean",
    "flow.timestep_deviation": "logit_std",
    "flow.average_decay": "ema_decay",
    "flow.schedule_shift": "shift",
    "flow.schedule_terminal": "shift_terminal",
    "evaluation.guidance": "guidance_scale",
  ])
}
