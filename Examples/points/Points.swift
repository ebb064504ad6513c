import TempFlow

/// Trains a flow in the plane with TempFlow-GRPO and with Flow-GRPO, and draws both reward curves.
///
/// The data are eight small clouds on a circle, whose velocity has a closed form. A prompt is the
/// index of a cloud; a small network is trained to end there.
@main struct Points {
  /// The clouds' centers, the goals of prompts 0...7.
  static let goals: [[Float]] = [
    [2, 0], [1.4, 1.4], [0, 2], [-1.4, 1.4], [-2, 0], [-1.4, -1.4], [0, -2], [1.4, -1.4],
  ]

  /// The reward: 1 at the prompt's goal, lower with the distance, in 0...1.
  static func reward(_ point: [Float], prompt: Int) -> Double {
    let (x, y) = (point[0] - goals[prompt][0], point[1] - goals[prompt][1])
    return 1 / (1 + Double(x * x + y * y))
  }

  /// NFE of each method, in rollouts and updates together.
  static let budget = 100_000

  static func main() throws {
    TorchRuntime.threadCount = 1
    draw([
      ("TempFlow-GRPO", "#", try train(.branching(branches: 3), seeds: 1, .seed, .noiseAware)),
      ("Flow-GRPO", "o", try train(.flowGRPO, seeds: 6, .prompt, .none)),
    ])
  }

  /// Trains a new policy and returns the mean reward of 256 fixed initial noises, by NFE.
  static func train(
    _ method: RolloutMethod, seeds: Int, _ baseline: AdvantageBaseline,
    _ weighting: PolicyObjective.Weighting
  ) throws -> [(Int, Double)] {
    let policy = Policy(seed: 1)
    var evaluations = 0
    let field: VelocityField = { latents, sigma, promptIndices in
      evaluations += promptIndices.count
      return policy.velocity(latents, sigma, promptIndices)
    }
    let plan = try RolloutPlan(
      schedule: FlowSchedule(SchedulerConfiguration(), stepCount: 8),
      dynamics: .flowSDE(noiseLevel: 0.7), method: method)
    let trunks = (0..<8 * seeds).map { TrunkID(prompt: $0 % 8, seed: $0 / 8) }
    let settings = AdvantageSettings(baseline: baseline)
    let objective = PolicyObjective(clipRange: 0.2, weighting: weighting)
    var curve: [(Int, Double)] = []
    while evaluations < budget {
      curve.append((evaluations, evaluate(policy, plan.schedule)))
      var rewards: [SampleID: [Double?]] = [:]
      let noise = NoiseSource(run: 7, epoch: curve.count, shape: [2])
      let rollout = rollOut(plan, trunks: trunks, noise: noise, field: field) {
        for (id, point) in zip($0.ids, $0.latents.unbound()) {
          rewards[id] = [reward(point.floats(), prompt: id.trunk % 8)]
        }
      }
      let samples = rollout.trainingSamples(Advantages(rollout.rewardRows(rewards), settings))
      policyGradient(objective, rollout: rollout, samples: samples, microBatch: 1000, field: field)
      policy.descend(by: 0.02)
    }
    return curve
  }

  static func evaluate(_ policy: Policy, _ schedule: FlowSchedule) -> Double {
    let start = Tensor.randn([256, 2], generator: Generator(seed: 99))
    return integrate(policy.velocity, from: start, over: schedule, promptIndices: Array(0..<256))
      .unbound().enumerated().reduce(0) {
        $0 + reward($1.element.floats(), prompt: $1.offset % 8) / 256
      }
  }

  static func draw(_ curves: [(String, Character, [(Int, Double)])]) {
    var canvas = [[Character]](repeating: [Character](repeating: " ", count: 60), count: 16)
    for (_, mark, points) in curves {
      for (evaluations, reward) in points {
        canvas[15 - Int(reward * 15 + 0.5)][evaluations * 60 / budget] = mark
      }
    }
    print("mean reward of 256 points (0 to 1) over velocity evaluations (0 to \(budget))")
    for row in canvas { print(" |" + String(row)) }
    for (name, mark, points) in curves {
      print(" \(mark) \(name): \(((points.last?.1 ?? 0) * 1000).rounded() / 1000) at the end")
    }
  }
}

/// The clouds' velocity plus a network with one hidden layer, whose output is initially 0.
struct Policy {
  private let goals = Tensor(Points.goals.flatMap { $0 }, shape: [8, 2])
  private let parameters: [Tensor]

  init(seed: UInt64) {
    let weight = Tensor.randn([5, 64], generator: Generator(seed: seed))
    parameters = [weight, Tensor.zeros([64]), Tensor.zeros([64, 2])]
    for parameter in parameters { parameter.requiresGradient = true }
  }

  /// `(x - E[data | x]) / sigma` for clouds of standard deviation 0.2, plus the network.
  func velocity(_ x: Tensor, _ sigmas: Tensor, _ prompts: [Int]) -> Tensor {
    let (sigma, rest) = (sigmas.unsqueezed(1), 1.0 - sigmas.unsqueezed(1))
    let variance = rest.squared() * 0.04 + sigma.squared()
    let offsets = x.unsqueezed(1) - rest.unsqueezed(2) * goals
    let odds = (offsets.squared().sum(dims: [2]) / (variance * -2)).softmax(dim: 1)
    let means = goals + offsets * (rest * 0.04 / variance).unsqueezed(2)
    let goal = goals.indexSelect(dim: 0, Tensor(prompts.map { $0 % 8 }, shape: [prompts.count]))
    let hidden = (Tensor.cat([x, sigma, goal], dim: 1).matmul(parameters[0]) + parameters[1]).tanh()
    return (x - (means * odds.unsqueezed(2)).sum(dims: [1])) / sigma + hidden.matmul(parameters[2])
  }

  /// One step of the given length against the gradient.
  func descend(by length: Double) {
    let gradients = parameters.compactMap(\.gradient)
    let norm = gradients.reduce(0) { $0 + $1.squared().sum().item() }.squareRoot()
    for (parameter, gradient) in zip(parameters, gradients) where norm > 0 {
      withoutGradient { parameter.add_(gradient, scale: -length / norm) }
      parameter.gradient = nil
    }
  }
}
