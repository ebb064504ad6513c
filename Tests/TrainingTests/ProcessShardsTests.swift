import DiffusionModels
import Foundation
import ProcessGroups
import TestSupport
import Testing
import Torch
import TorchNN
import Training

/// Blocks that two processes share over Gloo.
@Suite struct ProcessShardsTests {
  @Test func `two processes that share blocks give the bits of one that has them all`() async {
    let port = freePort()
    async let first: Void = expectSameBits(rank: 0, port: port)
    async let second: Void = expectSameBits(rank: 1, port: port)
    _ = await (first, second)
  }

  private func expectSameBits(rank: Int, port: Int) async {
    await #expect(processExitsWith: .success) { [rank = rank as Int, port = port as Int] in
      let group = try join(rank: rank, port: port)
      for (quantization, offload) in [
        (WeightQuantization.none, WeightOffload.none), (.none, .blocks), (.int8, .none),
      ] {
        let own = try load(quantization, .none)
        let shared = try load(quantization, offload, ProcessShards(group))
        #expect(shared.store.movesWeights)
        // Each process has a batch of its own.
        for batch in [1 + rank, 3] {
          #expect(try results(shared, batch: batch) == results(own, batch: batch))
        }
      }
      try group.barrier("the end of the test")
    }
  }

  @Test func `a process that others leave within a call ends with their names`() async throws {
    let port = freePort()
    async let leaving: Void = leave(port: port)
    let result = await #expect(
      processExitsWith: .exitCode(1), observing: [\.standardErrorContent]
    ) { [port = port as Int] in
      let group = try join(rank: 0, port: port)
      let model = try load(.none, .none, ProcessShards(group))
      _ = try results(model, batch: 1)
      _ = try results(model, batch: 1)
    }
    await leaving
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    let message =
      /error: rank 1 \(.*\) no longer answers.*during the gather of block [0-9]+'s weights/
    #expect(text.contains(message), "\(text)")
  }

  private func leave(port: Int) async {
    await #expect(processExitsWith: .success) { [port = port as Int] in
      let group = try join(rank: 1, port: port)
      let model = try load(.none, .none, ProcessShards(group))
      _ = try results(model, batch: 1)
      _exit(0)
    }
  }
}

private func join(rank: Int, port: Int) throws -> ProcessGroup {
  try ProcessGroup(
    LaunchVariables(
      rank: rank, size: 2, localRank: rank, localSize: 2, host: "127.0.0.1", port: port),
    timeout: .seconds(60))
}

/// The tiny FLUX.1 of the fixtures with adapters that change its output.
private func load(
  _ quantization: WeightQuantization, _ offload: WeightOffload, _ shards: ProcessShards? = nil
) throws -> any FlowModel {
  let adapters = LoRAConfig(rank: 2, alpha: 4, targets: ["attn.to_q", "attn.to_out.0", "net.2"])
  let source = ModelSource(
    folder: fixture("flux-dev/model"),
    placement: Placement(quantization: quantization, offload: offload),
    imageSize: ImageSize(height: 16, width: 16), maxSequenceLength: 8)
  let model = try source.load(
    training: LearningSetup(
      trainable: .adapters, adapters: (adapters, .random(Generator(seed: 1))), shards: shards))
  let generator = Generator(seed: 2)
  withoutGradient {
    for (_, tensor) in model.store.adapters { tensor.normal_(std: 0.1, generator: generator) }
  }
  return model
}

/// Velocities without and with gradients, and the adapters' gradients.
private func results(_ model: any FlowModel, batch: Int) throws -> [[Float]] {
  let source = ModelSource(
    folder: fixture("flux-dev/model"), imageSize: ImageSize(height: 16, width: 16),
    maxSequenceLength: 8)
  let prompts = try FlowModelRegistry.family(of: source.folder).promptEncoder(of: source)
    .encode([PromptInput("a red circle"), PromptInput("two blue squares")])
  let checkpointing = GradientCheckpointing()
  let field = model.velocityField(
    prompts, guidance: model.defaults.guidance(scale: 3.5), checkpointing: checkpointing)
  let latents = Tensor.randn(model.latentShape(count: batch), generator: Generator(seed: 3))
  let sigma = Tensor.full([batch], 0.5)
  let rows = (0..<batch).map { $0 % 2 }
  let velocity = withoutGradient { field(latents, sigma, rows) }
  for (_, tensor) in model.store.trainable { tensor.gradient = nil }
  let recorded = field(latents, sigma, rows)
  recorded.backward(gradient: latents)
  checkpointing.backward()
  return [velocity.floats(), recorded.detached().floats()]
    + model.store.trainable.compactMap { $0.tensor.gradient?.floats() }
}

/// A port of this machine that was free when the system chose it.
private func freePort() -> Int {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  return withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      precondition(bind(descriptor, address, length) == 0, "no port is free")
      precondition(getsockname(descriptor, address, &length) == 0, "the port has no number")
    }
    return Int(UInt16(bigEndian: pointer.pointee.sin_port))
  }
}
