import DiffusionModels
import FlowMatching
import TempFlow
import TestSupport
import Testing
import Torch
import TorchNN

/// A host that waits within a step leaves the GPU idle. Only a simulated device counts waits.
@Suite(
  .serialized,
  .enabled(if: SimulatedCUDA.current != nil, "counts waits of a simulated CUDA device"))
struct DeviceWaitTests {
  /// Settings of a rollout and an update.
  struct Setting: CustomTestStringConvertible {
    var method = RolloutMethod.branching(branches: 3)
    var dtype = DType.float32
    var guidanceScale = 1.0
    var recomputes = false
    var klBeta = 0.0
    var noise: Device?
    var index = 0
    var quantization = WeightQuantization.none
    var offload = WeightOffload.none

    var testDescription: String {
      "\(method), \(dtype), guidance \(guidanceScale), recomputes \(recomputes), KL \(klBeta), "
        + "noise by \(noise?.description ?? "the device"), on cuda:\(index), "
        + "quantize_base \(quantization), offload \(offload)"
    }
  }

  @Test(arguments: [
    Setting(), Setting(method: .flowGRPO), Setting(method: .flowGRPOFast, dtype: .bfloat16),
    Setting(dtype: .bfloat16, guidanceScale: 2, recomputes: true, klBeta: 0.01),
    Setting(dtype: .float16, guidanceScale: 2, klBeta: 0.01, noise: .cpu),
    Setting(guidanceScale: 2, recomputes: true, index: 1),
    Setting(dtype: .bfloat16, recomputes: true, quantization: .int8),
    Setting(
      dtype: .bfloat16, guidanceScale: 2, recomputes: true, klBeta: 0.01, index: 1,
      quantization: .float8, offload: .blocks),
  ])
  func `neither a step of a rollout nor a micro-batch of an update waits for the device`(
    setting: Setting
  ) throws {
    let simulation = try #require(SimulatedCUDA.current)
    let device = Device.cuda(setting.index)
    let folder = try tinyTask()
    let adapters = LoRAConfig(rank: 2, alpha: 4, targets: ["attn.to_q", "attn.to_v"])
    let pipeline = try StableDiffusion3Pipeline(
      folder: folder.path + "/model",
      Placement(
        device: device, dtype: setting.dtype, quantization: setting.quantization,
        offload: setting.offload),
      transformer: LearningSetup(
        trainable: .adapters, adapters: (adapters, .random(Generator(seed: 1)))))
    let tape = setting.recomputes ? GradientCheckpointing() : nil
    let base = pipeline.velocityField(
      pipeline.encode(["a red circle", "two blue squares"]), negative: pipeline.encode([""])[0],
      guidance: StableDiffusion3Pipeline.defaults.guidance(scale: setting.guidanceScale),
      checkpointing: tape)
    let ofTrunks: VelocityField = { base($0, $1, $2.map { $0 / 2 }) }
    let field = padded(ofTrunks, to: 5)

    var plan = try RolloutPlan(
      schedule: pipeline.schedule(stepCount: 4), dynamics: .flowSDE(noiseLevel: 0.7),
      method: setting.method, steps: .first(2))
    plan.microBatch = 5
    let trunks = (0..<4).map { TrunkID(prompt: $0 / 2, seed: $0 % 2) }
    let noise = NoiseSource(
      run: 1, epoch: 0, shape: Array(pipeline.latentShape(count: 1).dropFirst()), device: device,
      generatorDevice: setting.noise)
    // The setup of a first call is not part of a step.
    _ = withoutGradient {
      field(noise.initial(trunks), Tensor.ones([4], device: device), [0, 1, 2, 3])
    }
    TorchRuntime.synchronize(device)
    simulation.reset()
    var ids: [SampleID] = []
    let rollout = rollOut(plan, trunks: trunks, noise: noise, field: field) { ids += $0.ids }
    #expect(simulation.waits == 0, "\(simulation.waitsByName)")
    #expect(simulation.kernels > 100)

    let rewards = Dictionary(
      uniqueKeysWithValues: ids.enumerated().map { ($1, [Double($0)] as [Double?]) })
    let settings = AdvantageSettings(baseline: .prompt)
    let samples = rollout.trainingSamples(Advantages(rollout.rewardRows(rewards), settings))
    var objective = PolicyObjective()
    #expect(samples.allSatisfy { !$0.isSkippable(objective) })
    objective.klBeta = setting.klBeta
    simulation.reset()
    var waits: [Int] = []
    let statistics = policyGradient(
      objective, rollout: rollout, samples: samples, microBatch: 3, gradientScale: 1024,
      field: field,
      reference: setting.klBeta == 0
        ? nil
        : { [store = pipeline.transformer.store] in
          let (latents, sigma, trunks) = ($0, $1, $2)
          return store.withoutAdapters { field(latents, sigma, trunks) }
        }
    ) { velocity, gradient in
      velocity.backward(gradient: gradient)
      tape?.backward()
      waits.append(simulation.waits)
    }
    #expect(waits == [0, 0, 0], "\(simulation.waitsByName)")
    // The statistics are read once, at the end.
    #expect(simulation.waits == 1, "\(simulation.waitsByName)")
    #expect(statistics.isFinite)
    let gradients = pipeline.transformer.store.trainable.compactMap(\.tensor.gradient)
    #expect(!gradients.isEmpty && gradients.allSatisfy { $0.device == device })
  }

  @Test func `an image's finiteness is read together with its pixels`() throws {
    let simulation = try #require(SimulatedCUDA.current)
    let folder = try tinyTask()
    let pipeline = try StableDiffusion3Pipeline(
      folder: folder.path + "/model", Placement(device: .cuda(0)), text: .absent())
    let latents = Tensor.randn(pipeline.latentShape(count: 4), generator: Generator(seed: 3))
      .to(pipeline.device)
    _ = pipeline.images(latents, microBatch: 2)
    func waits(_ body: () -> Void) -> Int {
      TorchRuntime.synchronize(pipeline.device)
      simulation.reset()
      body()
      return simulation.waits
    }
    let plain = waits { _ = pipeline.decode(latents).bytes() }
    #expect(waits { _ = pipeline.images(latents, microBatch: 4) } == plain)
    #expect(waits { _ = pipeline.images(latents, microBatch: 2) } == 2 * plain)
  }

  @Test func `a network is checked at load with one read of all weights`() throws {
    let simulation = try #require(SimulatedCUDA.current)
    let device = Device.cuda(0)
    let tensors = Dictionary(
      uniqueKeysWithValues: (0..<20).map { ("\($0).w", Tensor.ones([4], device: device)) })
    let store = ParameterStore(.checkpoint(tensors, origin: "w"), device: device)
    for index in 0..<20 { _ = try store.root[index].tensor("w", 4, initial: .zeros) }
    TorchRuntime.synchronize(device)
    simulation.reset()
    try store.finish()
    #expect(simulation.waits == 1, "\(simulation.waitsByName)")
  }
}
