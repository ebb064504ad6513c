import Runs

/// The numbers at the top of the page: the held-out score before and after, epochs and time.
struct HeadlineSection {
  let run: RunRecord

  func markup() -> Markup {
    .fragment([
      notice() ?? .fragment([]),
      element("ul", ["class": "cards"]) {
        accuracy()
        if let reward = rewardCard() { reward }
        card("Epochs", Figures.count(run.epochCount), updates())
        if run.timings.training > 0 {
          card("Training time", Figures.duration(run.timings.training), perEpoch())
        }
        if run.imageCount > 0 {
          card("Images scored", Figures.count(run.imageCount), perSecond())
        }
      },
      protocolLine() ?? .fragment([]),
    ])
  }

  /// Notice at the top of the page for an unfinished run.
  private func notice() -> Markup? {
    guard !run.isFinished else { return nil }
    let state =
      run.summary == nil
      ? "This run has not ended yet" : "This run was stopped before its last epoch"
    let reason = run.summary?.stoppedBy.map { " (\($0))" } ?? ""
    return element("p", ["class": "notice", "role": "status"]) {
      "\(state)\(reason): \(run.epochCount) epochs are recorded. This page shows the state so far."
    }
  }

  private var scale: ScoreScale { run.scoreScale }

  private func accuracy() -> Markup {
    let what = "Held-out \(scale.title)"
    guard let first = run.evaluations.first, let last = run.evaluations.last else {
      return card(what, "not measured yet", "no evaluation in the log", lead: true)
    }
    guard run.evaluations.count > 1 else {
      return card(
        "\(what) before training", text(first.overall), "no later evaluation yet", lead: true)
    }
    guard let before = first.overall.mean, let after = last.overall.mean else {
      return card(
        "\(what), before → after", "\(text(first.overall)) → \(text(last.overall))",
        "an evaluation without a single score", lead: true)
    }
    return element("li", ["class": "lead"]) {
      element("span", ["class": "what"]) { "\(what), before → after" }
      element("span", ["class": "much"]) { "\(scale.number(before)) → \(scale.text(after))" }
      element("span", ["class": "more"]) {
        element("b", ["class": after >= before ? "rise" : "fall"]) {
          "\(scale.change(after - before))\(scale.points)"
        }
        "; standard errors \(error(first.overall)) and \(error(last.overall))"
        if last.epoch != run.epochCount {
          ", after \(Figures.count(last.epoch)) \(last.epoch == 1 ? "epoch" : "epochs")"
        }
        if first.overall.count != last.overall.count {
          "; prompts with a score: \(first.overall.count) and \(last.overall.count)"
        }
      }
    }
  }

  private func rewardCard() -> Markup? {
    guard let first = run.epochs.first?.rewardMean, let last = run.epochs.last?.rewardMean,
      run.epochs.count > 1
    else { return nil }
    return card(
      "Training reward",
      "\(Figures.fixed(first, 3)) → \(Figures.fixed(last, 3))", "first → last epoch's mean")
  }

  private func updates() -> String {
    run.epochs.last?.updates.map { "\(Figures.count($0)) optimizer updates" } ?? "completed"
  }

  private func perEpoch() -> String {
    let count = max(1, run.timings.epochs.count)
    return "\(Figures.duration(run.timings.training / Double(count))) per epoch"
  }

  private func perSecond() -> String {
    guard run.timings.training > 0 else { return "generated and scored" }
    return "\(Figures.short(Double(run.imageCount) / run.timings.training)) per second"
  }

  private func card(_ what: String, _ much: String, _ more: String, lead: Bool = false) -> Markup {
    element("li", lead ? ["class": "lead"] : [:]) {
      element("span", ["class": "what"]) { what }
      element("span", ["class": "much"]) { much }
      element("span", ["class": "more"]) { more }
    }
  }

  /// The evaluation protocol of the run.
  private func protocolLine() -> Markup? {
    guard let way = run.summary?.evaluationProtocol else {
      guard let last = run.evaluations.last else { return nil }
      return element("p", ["class": "quiet"]) {
        "Measured with \(last.reward) on \(last.overall.count) held-out prompts; the full protocol "
        "is written when the run ends."
      }
    }
    let images = way.imagesPerPrompt == 1 ? "one image" : "\(way.imagesPerPrompt) images"
    return element("p", ["class": "quiet"]) {
      "Protocol: \(way.reward) on \(way.promptCount) held-out prompts, \(images) each; "
      "\(way.weights == "ema" ? "EMA" : way.weights) weights, \(way.sampler.uppercased()) with "
      "\(way.steps) steps, guidance \(Figures.setting(way.guidanceScale)), seed \(way.seed), "
      "\(way.dtype). "
      "The same prompts and noise every time; ± is the standard error over prompts."
    }
  }

  private func text(_ score: Score) -> String { score.mean.map(scale.text) ?? "not scored" }

  private func error(_ score: Score) -> String {
    score.standardError.map { "±\(scale.number($0))" } ?? "unknown"
  }
}
