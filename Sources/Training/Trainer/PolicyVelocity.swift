internal import FlowMatching
internal import Torch
internal import TorchNN

// B: rows of a batch. T: trunks of an epoch; rows index into them.

/// The velocities that an update evaluates.
struct PolicyFields {
  /// Of the policy.
  let policy: VelocityField
  /// Before training, evaluated without gradients; nil without a KL term.
  let reference: VelocityField?
  /// Of an old policy with weights of its own, evaluated without gradients. It replaces the weights
  /// meanwhile, so it must not be evaluated between a forward pass and its backward pass. nil
  /// without one.
  let old: VelocityField?

  func map(_ change: (@escaping VelocityField) -> VelocityField) -> Self {
    Self(
      policy: change(policy), reference: reference.map { change($0) }, old: old.map { change($0) })
  }
}

/// The policy's velocity under the prompts of one epoch.
struct PolicyVelocity {
  /// Rows of the network per row of latents: 2 with classifier-free guidance.
  let networkRows: Int
  private let fields: PolicyFields
  private let padsBatches: Bool
  private let graph: PolicyGraph
  /// The shape of one latent, and its device.
  private let latent: (shape: [Int], device: Device)

  /// - Parameter padsBatches: whether every call evaluates one number of rows, as on a GPU; see
  ///   `padded`.
  init(
    _ fields: PolicyFields, networkRows: Int, padsBatches: Bool,
    latent: (shape: [Int], device: Device), _ graph: PolicyGraph
  ) {
    self.fields = fields
    self.networkRows = networkRows
    self.padsBatches = padsBatches
    self.latent = latent
    self.graph = graph
  }

  /// Calls the network for nothing, as often as other processes call it more often than this one:
  /// where processes share frozen weights, every call is a collective; see `ShardGroup`.
  func idle(_ calls: Int) {
    let (state, sigma) = IdleInput(latent.shape, latent.device).arguments
    for _ in 0..<calls { _ = withoutGradient { fields.policy(state, sigma, [0]) } }
  }

  /// The field of a rollout.
  ///
  /// - Parameter rowsPerCall: at least the rows of any call.
  func rollout(rowsPerCall: Int) -> VelocityField { sized(fields.policy, rowsPerCall) }

  /// Runs the forward and backward passes of an update.
  ///
  /// - Parameter rowsPerCall: at least the rows of any call.
  func update<Result, Failure: Error>(
    rowsPerCall: Int, _ body: (UpdateVelocity) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let update = UpdateVelocity(
      fields: fields.map { sized($0, rowsPerCall) },
      idleInput: IdleInput(latent.shape, latent.device), graph)
    return try graph.open { () throws(Failure) in try body(update) }
  }

  private func sized(_ field: @escaping VelocityField, _ rows: Int) -> VelocityField {
    padsBatches ? padded(field, to: rows) : field
  }
}

/// One row of zeros, for calls without a purpose of their own.
private struct IdleInput {
  let shape: [Int]
  let device: Device

  init(_ shape: [Int], _ device: Device) {
    self.shape = shape
    self.device = device
  }

  var arguments: (state: Tensor, sigma: Tensor) {
    (.zeros([1] + shape, device: device), .ones([1], device: device))
  }
}

/// The policy's velocity inside an update, and its vector-Jacobian product.
struct UpdateVelocity {
  private let fields: PolicyFields
  private let idleInput: IdleInput
  private let graph: PolicyGraph

  fileprivate init(fields: PolicyFields, idleInput: IdleInput, _ graph: PolicyGraph) {
    self.fields = fields
    self.idleInput = idleInput
    self.graph = graph
  }

  /// See `PolicyFields`.
  var reference: VelocityField? { fields.reference }
  /// See `PolicyFields`.
  var old: VelocityField? { fields.old }

  /// Makes forward and backward passes for nothing, each of which adds zeros to the gradients; see
  /// `PolicyVelocity.idle`.
  ///
  /// - Parameter evaluatesOld: whether a pass evaluates the old policy as well.
  func idle(passes: Int, evaluatesOld: Bool) {
    let (state, sigma) = idleInput.arguments
    for _ in 0..<passes {
      if evaluatesOld { _ = old?(state, sigma, [0]) }
      let velocity = withGradient { fields.policy(state, sigma, [0]) }
      _ = reference?(state, sigma, [0])
      backward(velocity, .zeros(like: velocity))
    }
  }

  /// `[B, ...], [B], B indices in 0..<T -> [B, ...]`
  func velocity(_ latents: Tensor, _ sigma: Tensor, _ trunks: [Int]) -> Tensor {
    fields.policy(latents, sigma, trunks)
  }

  /// Adds J^T `gradient` to the gradients of the trainable parameters, J the Jacobian of
  /// `velocity`.
  func backward(_ velocity: Tensor, _ gradient: Tensor) { graph.backward(velocity, gradient) }
}

/// How the operators of a forward pass are recorded, and so how its backward pass runs: the whole
/// batch by autograd, block by block with gradient checkpointing, or some rows on each thread.
final class PolicyGraph {
  /// Recomputes each block in the backward pass; nil keeps every intermediate value.
  let checkpointing: GradientCheckpointing?
  /// Some rows on each thread; nil where the operators of a whole batch share the threads.
  let threadedBatch: ThreadedBatch?

  /// - Parameter leaves: the trainable parameters.
  init(_ recipe: TrainingRecipe, leaves: [Tensor]) {
    checkpointing = recipe.memory.gradientCheckpointing ? GradientCheckpointing() : nil
    let count = leaves.reduce(0) { $0 + $1.count }
    threadedBatch =
      recipe.recordsRows(trainableParameters: count) ? ThreadedBatch(leaves: leaves) : nil
  }

  /// Runs the forward and backward passes of an update.
  fileprivate func open<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let threadedBatch else { return try body() }
    return try threadedBatch.within(body)
  }

  /// Autograd ends at the outputs of a threaded batch or of the last checkpointed block, which then
  /// continue the backward pass.
  fileprivate func backward(_ velocity: Tensor, _ gradient: Tensor) {
    velocity.backward(gradient: gradient)
    threadedBatch?.backward()
    checkpointing?.backward()
  }
}
