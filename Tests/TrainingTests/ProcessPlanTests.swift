import Foundation
import Recipes
import Testing
import Training

@Suite struct ProcessPlanTests {
  private func plan(
    _ changes: [(String, String)] = [], processes: Int, hosts: Int = 1
  ) throws -> TrainingPlan {
    let folder = try TemporaryFolder()
    try folder.writeShapesTask(prompts: 8, heldOut: 6)
    let recipe = try folder.recipe(recipeText(changes)).settings
    return try TrainingPlan(recipe, processes: processes, hosts: hosts)
  }

  /// The sum of a figure over the ranks.
  private func sum(_ plan: TrainingPlan, _ path: KeyPath<RankWork, Int>) throws -> Int {
    try #require(plan.processes).ranks.reduce(0) { $0 + $1[keyPath: path] }
  }

  /// 5 trunks, 3 branches, 3 steps of which 2 are trained: a trunk takes 1 + 1 evaluations, a
  /// branch of step 0 two more and one of step 1 one.
  @Test func `five trunks of three branches on four processes cost what a count by hand gives`()
    throws
  {
    let plan = try plan(
      [
        ("steps: 3, branches: 4", "steps: 3, branches: 3"), ("per_epoch: 4", "per_epoch: 5"),
        ("updates_per_epoch: 2", "updates_per_epoch: 1, micro_batch: 3"),
      ], processes: 4)
    let processes = try #require(plan.processes)
    #expect(plan.firstEpoch.rolloutEvaluations == 5 * (2 + 3 * 3))
    #expect(processes.columns == 15 && processes.splitTrunks == 2)
    // (trunks, columns): (1, 3), (2, 4), (2, 4), (2, 4).
    #expect(processes.ranks.map(\.rolloutEvaluations) == [11, 16, 16, 16])
    #expect(processes.addedEvaluations == 2 * 2)
    #expect(processes.ranks.map(\.images) == [6, 8, 8, 8])
    #expect(processes.ranks.map(\.trainingSamples) == [2, 3, 2, 3])
    #expect(processes.ranks.map(\.passes) == [1, 1, 1, 1] && processes.idleRanks == 0)
    #expect(processes.ranks.map(\.evaluationPrompts) == [1, 2, 1, 2])
    // All 14 prompts are one batch.
    #expect(processes.ranks.map(\.encodedPrompts) == [14, 0, 0, 0])
    #expect(abs(processes.rolloutEfficiency - 55.0 / 64) < 1e-12)
    #expect(abs(processes.learningEfficiency - 10.0 / 12) < 1e-12)
  }

  @Test func `a trunk's own image is made by the process that has its first column`() throws {
    let plan = try plan(
      [
        ("steps: 3, branches: 4", "steps: 3, branches: 3"), ("per_epoch: 4", "per_epoch: 5"),
        ("epochs: 4", "epochs: 1\nadvantage: {baseline: trunk}"),
      ], processes: 4)
    let processes = try #require(plan.processes)
    // The counts of the test above, and one evaluation and one image more for each trunk.
    #expect(plan.firstEpoch.rolloutEvaluations == 5 * (2 + 3 * 3) + 5)
    #expect(processes.ranks.map(\.finishedTrunks) == [1, 2, 1, 1])
    #expect(processes.ranks.map(\.rolloutEvaluations) == [12, 18, 17, 17])
    #expect(processes.ranks.map(\.images) == [7, 10, 9, 9])
    #expect(processes.addedEvaluations == 2 * 2)
    #expect(abs(processes.rolloutEfficiency - 60.0 / (4 * 18)) < 1e-12)
  }

  @Test(arguments: [
    ("tempflow", "all", 0, ""), ("tempflow", "[1, 3]", 2, ""), ("flow_grpo", "all", 0, ""),
    ("flow_grpo_fast", "{random: 2}", 3, ""), ("tempflow", "[1, 3]", 0, "tail"),
    ("tempflow", "all", 2, "trunk"),
  ])
  func `the sums over processes are the work of one, but for trunks walked twice`(
    _ method: String, _ steps: String, _ limit: Int, _ option: String
  ) throws {
    let batch =
      (limit == 0 ? "" : ", trunks_per_rollout_batch: \(limit)")
      + (option == "tail" ? ", tail: {stride: 2}" : "")
    let advantage = option == "trunk" ? "advantage: {baseline: trunk}\n" : ""
    let changes = [
      (
        "steps: 3, branches: 4",
        "steps: 6, branches: 5, method: \(method), trained_steps: \(steps)\(batch)"
      ), ("updates_per_epoch: 2", "updates_per_epoch: 2, micro_batch: 2"),
      ("epochs: 4", advantage + "epochs: 4"),
    ]
    for count in [2, 3, 7, 20] {
      let plan = try plan(changes, processes: count)
      let processes = try #require(plan.processes)
      #expect(try sum(plan, \.columns) == 20)
      #expect(try sum(plan, \.images) == plan.firstEpoch.decodes)
      #expect(try sum(plan, \.trainingSamples) == plan.samplesPerUpdate)
      #expect(try sum(plan, \.evaluationPrompts) == plan.evaluationPrompts)
      #expect(
        try sum(plan, \.rolloutEvaluations)
          == plan.firstEpoch.rolloutEvaluations + processes.addedEvaluations)
      // Each walk of a trunk costs the steps up to the last branching once.
      let walks = try sum(plan, \.trunks) - plan.trunksPerEpoch
      let last = steps == "all" ? 4 : 3
      #expect(processes.addedEvaluations == (method == "tempflow" ? walks * (1 + last) : 0))
      #expect(
        try sum(plan, \.passes) * plan.firstEpoch.updates == plan.firstEpoch.learningCalls)
      #expect(processes.ranks.count { $0.passes == 0 } == processes.idleRanks)
      #expect(try sum(plan, \.encodedPrompts) == 4 * 2 + 6)
      #expect(processes.efficiency > 0 && processes.efficiency <= 1)
    }
  }

  @Test func `the slowest process of every epoch sets the pace`() throws {
    let sliding = ("steps: 3, branches: 4", "steps: 6, branches: 3, trained_steps: {sliding: 2}")
    let even = ("updates_per_epoch: 2", "updates_per_epoch: 2, micro_batch: 2")
    let (one, two) = (
      try plan([sliding, even], processes: 1), try plan([sliding, even], processes: 2)
    )
    let processes = try #require(two.processes)
    // 4 trunks on 2 processes are whole trunks each, and every other share is even.
    #expect(abs(processes.efficiency - 1) < 1e-12)
    #expect(abs(2 * processes.slowestFlops / one.transformerFlops - 1) < 1e-12)
  }

  @Test func `bytes are those of shares of a sum and of samples that change their process`() throws
  {
    let plan = try plan([("per_epoch: 4", "per_epoch: 8")], processes: 4)
    let sent = try #require(plan.processes).sent
    // The only pass of an update, in float32 from the process that makes it.
    #expect(sent.gradientsPerUpdate == 4 * plan.trainableParameters * 3 / 4)
    // Of 16 samples with 256 numbers for each of x and v, 3 of 4 move, a quarter from each process.
    #expect(plan.trainingSamplesPerEpoch == 16)
    #expect(sent.samplesPerEpoch == 16 * 2 * 4 * 256 * 3 / 4 / 4)
    #expect(sent.recordsPerEpoch == (40 * 16 + (8 + 2 * 21) * plan.firstEpoch.decodes) * 3 / 4)
    #expect(
      sent.perEpoch == 2 * sent.gradientsPerUpdate + sent.samplesPerEpoch + sent.recordsPerEpoch)
  }

  @Test func `more processes than columns are refused with the numbers that fit`() {
    #expect {
      try plan(processes: 17)
    } throws: { error in
      "\(error)"
        == "4 prompts x 1 seed x 4 branches are 16 columns of a rollout, too few for 17 processes; "
        + "use at most 16 processes, or prompts.per_epoch 5, or sampling.branches 5"
    }
    // Flow-GRPO's branches are trunks, whose samples 32 updates have to divide.
    #expect {
      try plan(
        [
          ("steps: 3", "steps: 5, method: flow_grpo"), ("per_epoch: 4", "per_epoch: 6"),
          ("updates_per_epoch: 2", "updates_per_epoch: 32"),
        ], processes: 100)
    } throws: { error in
      "\(error)".contains(
        "use at most 24 processes, or prompts.per_epoch 26, or sampling.branches 20")
    }
  }

  @Test func `passes that do not go around are allowed with a warning and a micro-batch that does`()
    throws
  {
    func warnings(
      _ microBatch: Int, processes: Int, prompts: Int = 4, updates: Int = 2
    ) throws -> [String] {
      let plan = try plan(
        [
          ("per_epoch: 4", "per_epoch: \(prompts)"),
          ("updates_per_epoch: 2", "updates_per_epoch: \(updates), micro_batch: \(microBatch)"),
        ], processes: processes)
      let warnings = try #require(plan.processes?.warnings)
      let text = plan.text(teraflops: 400)
      #expect(warnings.allSatisfy { text.contains("warning: \($0)") })
      return warnings
    }
    #expect(
      try warnings(64, processes: 2) == [
        "the 4 training samples of an update are 1 pass, so 1 of 2 processes trains none; "
          + "optimizer.micro_batch 2 leaves at most 2 samples to a process"
      ])
    #expect(try warnings(2, processes: 2) == [])
    #expect(
      try warnings(1, processes: 6) == [
        "the 4 training samples of an update are 4 passes, so 2 of 6 processes train none; "
          + "fewer updates_per_epoch or more prompts.per_epoch give each process samples"
      ])
    #expect(
      try warnings(2, processes: 4, prompts: 5, updates: 1) == [
        "the 10 training samples of an update are 5 passes, 1 or 2 a process, and those with fewer "
          + "wait; optimizer.micro_batch 1 leaves at most 3 samples to a process"
      ])
  }

  @Test func `memory is that of one process, with its own share of the rollout`() throws {
    let lora = ("trainable: full", "trainable: lora\nlora: {rank: 2, targets: [attn.to_q]}")
    func bytes(_ plan: TrainingPlan, _ phase: Int, _ name: String) -> Int? {
      plan.memory.phases[phase].items.first { $0.name == name }?.bytes
    }
    let one = try plan([lora, ("per_epoch: 4", "per_epoch: 8")], processes: 1)
    let four = try plan([lora, ("per_epoch: 4", "per_epoch: 8")], processes: 4, hosts: 2)
    // Latents of 256 float32 numbers: before and after a step, and x and v of stored samples.
    #expect(bytes(one, 1, "latents") == 1024 * 2 * (8 * (1 + 2 * 4) + 16))
    // The one pass of each of two updates has 8 samples.
    #expect(bytes(four, 1, "latents") == 1024 * 2 * (2 * (1 + 2 * 4) + 2 * 2 + 2 * 8))
    // 6 held-out prompts are at most 2 a process.
    #expect(bytes(one, 4, "latents") == 1024 * 2 * 6)
    #expect(bytes(four, 4, "latents") == 1024 * 2 * 2)
    #expect(four.processes?.bytesPerHost == 2 * four.memory.peak.bytes)
    let budget = try #require(one.memory.budget)
    #expect(four.memory.budget == budget / 2)
  }

  /// Sums are int64; a conversion has float64 and int64 numbers.
  @Test(arguments: [(64, 1, nil), (4, 1, 8 + 16), (4, 2, 16), (2, 2, 8 + 16)])
  func `sums of gradients are counted with several passes or processes`(
    _ microBatch: Int, _ processes: Int, _ expected: Int?
  ) throws {
    let plan = try plan(
      [
        ("trainable: full", "trainable: lora\nlora: {rank: 2, targets: [attn.to_q]}"),
        ("per_epoch: 4", "per_epoch: 8"),
        ("updates_per_epoch: 2", "updates_per_epoch: 2, micro_batch: \(microBatch)"),
      ], processes: processes)
    let learned = plan.trainableParameters
    for phase in plan.memory.phases.dropFirst() {
      let bytes = phase.items.first { $0.name == "sum of gradients" }?.bytes
      let isCounted = phase.name == "learning"
      #expect(bytes == (isCounted ? expected.map { $0 * learned } : nil), "\(phase.name)")
    }
    let sent = plan.processes?.sent.gradientsPerUpdate
    #expect(sent == (processes == 1 ? nil : ((microBatch < 4 ? 8 : 4) + 4) * learned / 2))
  }

  @Test func `one process has no plan for several`() throws {
    let plan = try plan(processes: 1)
    #expect(plan.processes == nil && !plan.text(teraflops: 400).contains("wall-clock"))
  }

  @Test func `every key of the JSON is in snake case, and there is an entry a rank`() throws {
    let plan = try plan(processes: 3)
    let data = try JSONEncoder().encode(plan)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let processes = try #require(object["processes"] as? [String: Any])
    #expect(processes.keys.allSatisfy { $0 == $0.lowercased() })
    let ranks = try #require(processes["ranks"] as? [[String: Any]])
    #expect(ranks.count == 3)
    #expect(ranks.allSatisfy { $0.keys.allSatisfy { $0 == $0.lowercased() } })
  }
}
