import Recipes
import Testing
import Training

@Suite struct RenamedKeysTests {
  private func problems(_ replacements: [(String, String)], _ overrides: [String] = []) -> [String]
  {
    do {
      _ = try readRecipe(recipeText(replacements), overrides)
      return []
    } catch let error as RecipeError {
      return error.issues.map(\.message)
    } catch {
      return ["\(error)"]
    }
  }

  @Test(arguments: [
    ("sampling.guidance=2", "guidance_scale"), ("evaluation.guidance=2", "guidance_scale"),
    ("sampling.trunks_at_once=1", "trunks_per_rollout_batch"),
    ("sampling.trained_steps={early: 1}", "first"),
    ("sampling.trained_steps={rotating: 1}", "sliding"),
    ("sampling.trained_steps={sampled: 1}", "random"), ("loss.guard=true", "ratio: grpo_guard"),
    ("loss.log_probability=rollout", "old_log_prob"),
    ("optimizer.gradient_norm=1", "max_grad_norm"),
    ("ema.interval=2", "update_every"), ("recompute=blocks", "gradient_checkpointing: true"),
    ("text_cache=folder", "prompt_cache"), ("max_missing=1", "max_missing_scores"),
    ("init_lora=file", "lora.init_from"), ("watch=[]", "held_out_rewards"),
    ("rewards=[{name: ocr, engine: remote}]", "backend"),
    ("rewards=[{name: process, command: [a], images: inline}]", "image_transport"),
    ("rewards=[{name: http, urls: ['http://a'], patience: 3}]", "outage_timeout"),
    (
      "advantage={group: batch}",
      "baseline: seed or prompt; for batch, baseline: prompt and scale: step"
    ),
    ("held_out_rewards=[{name: shapes, threshold: 1, evaluations: 3}]", "patience"),
  ])
  func `an earlier key is refused with its new name`(setting: String, name: String) {
    let found = problems([], [setting])
    #expect(
      found.contains { $0.contains("unknown key") && $0.hasSuffix("it is now \"\(name)\"") },
      "\(found)")
  }

  @Test(arguments: [
    ("sampling.method=flow_grpo_window", "flow_grpo_fast"), ("sampling.dynamics=sde", "flow_sde"),
    ("sampling.dynamics=coefficient_preserving", "cps"),
    ("sampling.dynamics=constant_rate", "dance_sde"), ("loss.weighting=noise", "noise_aware"),
  ])
  func `an earlier value is refused with its new name`(setting: String, name: String) {
    let found = problems([], [setting])
    #expect(found.contains { $0.hasSuffix("it is now \"\(name)\"") }, "\(found)")
    #expect(!found.contains { $0.contains("did you mean") }, "\(found)")
  }
}
