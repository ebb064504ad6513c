internal import CTorch
internal import Foundation
internal import Foundations
package import Torch

/// The processes of a run, which all call the same collectives in the same order.
///
/// The engine is torch.distributed's: Gloo for tensors in host memory, NCCL for those of a CUDA
/// device. One process alone needs no engine, and its collectives return at once.
///
/// A group belongs to one thread.
package final class ProcessGroup {
  /// The number of this process, 0..<`size`.
  package let rank: Int
  /// The processes of the run.
  package let size: Int
  /// The number of this process among those of its host.
  package let localRank: Int
  /// The processes of this host.
  package let localSize: Int
  let engine: Engine?

  /// The engine's objects.
  struct Engine {
    let handle: OpaquePointer
    let store: Store
    let variables: LaunchVariables
    /// Where every rank is.
    let places: [Place]
    let pulse: OpaquePointer
    let timeout: Duration
  }

  /// A process's host and its number there.
  struct Place {
    let host: String
    let process: String
    var text: String { "\(host), process \(process)" }
  }

  /// A process without others.
  package static var alone: ProcessGroup { ProcessGroup() }

  private init() {
    (rank, size, localRank, localSize, engine) = (0, 1, 0, 1, nil)
  }

  /// The host and process number of a rank.
  package func place(of rank: Int) -> String { engine?.places[rank].text ?? "this process" }

  /// How long a process waits for another.
  package var timeout: Duration { engine?.timeout ?? .seconds(1800) }

  /// Whether this process writes the run's files.
  package var isLeader: Bool { rank == 0 }

  /// Meets the other processes of the run.
  ///
  /// - Parameter timeout: how long a process waits for another, here and in every collective.
  /// - Throws: `ProcessGroupError.notJoined`.
  package init(
    _ variables: LaunchVariables, timeout: Duration
  ) throws(ProcessGroupError) {
    rank = variables.rank
    size = variables.size
    localRank = variables.localRank
    do throws(TorchFailure) {
      let engine = try Self.join(variables, timeout)
      let host = engine.places[variables.rank].host
      // Containers on one host have names of their own.
      localSize =
        variables.localSize
        ?? max(variables.localRank + 1, engine.places.count { $0.host == host })
      self.engine = engine
    } catch {
      throw .notJoined(
        rank: variables.rank, size: variables.size, address: variables.address, reason: error.text)
    }
  }

  private static func join(
    _ variables: LaunchVariables, _ timeout: Duration
  ) throws(TorchFailure) -> Engine {
    let counted = variables.launcherHasStore ? 0 : variables.size
    let store = try Store(
      variables, serves: variables.rank == 0 && !variables.launcherHasStore, workers: counted,
      timeout: timeout)
    var variables = variables
    variables.port = store.port
    let pulseStore = try Store(variables, serves: false, workers: 0, timeout: timeout)
    let process = ProcessInfo.processInfo
    try store.set("place/\(variables.rank)", "\(process.processIdentifier) \(process.hostName)")
    var places: [Place] = []
    for rank in 0..<variables.size {
      let text = try store.get("place/\(rank)", timeout: timeout)
      let (number, host) = (text.prefix { $0 != " " }, text.drop { $0 != " " }.dropFirst())
      places.append(Place(host: String(host), process: String(number)))
    }
    guard
      let handle = ctorch_process_group(
        store.handle, Int32(variables.rank), Int32(variables.size),
        timeout.milliseconds)
    else { throw .last() }
    guard
      let pulse = ctorch_pulse(
        pulseStore.handle, handle, Pulse.key(variables.rank), Pulse.period.milliseconds)
    else { throw .last() }
    return Engine(
      handle: handle, store: store, variables: variables, places: places, pulse: pulse,
      timeout: timeout)
  }

  /// Prepares collectives of tensors on a device: NCCL for a CUDA device.
  ///
  /// NCCL ends a process whose collective outlives its time-out without naming a peer. Collectives
  /// of CUDA tensors therefore begin with a barrier over Gloo, whose time-out is half as long, but
  /// for gathers: they are begun ahead, or follow an exchange at once. A process that ends between
  /// the two, or while its GPU computes them, leaves the others to NCCL.
  ///
  /// - Throws: `ProcessGroupError.noNCCL`.
  package func use(_ device: Device) throws(ProcessGroupError) {
    guard let engine, case .cuda = device else { return }
    let succeeded = ctorch_process_group_add_cuda(
      engine.handle, engine.store.handle, 2 * engine.timeout.milliseconds)
    guard succeeded else { throw .noNCCL(reason: TorchFailure.last().text) }
  }

  /// Connects the devices of all processes by a first sum, and waits for it, so that GPUs that
  /// cannot be connected show themselves before the training.
  ///
  /// - Throws: `ProcessGroupError`.
  package func connect(_ device: Device) throws(ProcessGroupError) {
    guard let engine, case .cuda = device else { return }
    // NCCL has no time-out here: a process whose peer has failed would wait forever.
    let connected = DispatchSemaphore(value: 0)
    let (rank, seconds) = (rank, 2 * (engine.timeout / .seconds(1)))
    Thread.detachNewThread {
      guard connected.wait(timeout: .now() + seconds) == .timedOut else { return }
      StandardStream.end(
        "rank \(rank): the GPUs are not connected over NCCL after \(seconds) s; another process "
          + "may have failed, and NCCL_DEBUG=INFO shows what NCCL does")
    }
    defer { connected.signal() }
    let sum = Tensor.ones([1], device: device)
    try allReduce(sum, "the connection of the GPUs over NCCL")
    let found = sum.floats()
    guard found == [Float(size)] else {
      throw .noNCCL(reason: "ones of \(size) processes have the sum \(found[0])")
    }
  }

  deinit {
    guard let engine else { return }
    ctorch_pulse_release(engine.pulse)
    ctorch_process_group_release(engine.handle)
  }
}

extension LaunchVariables {
  /// The address of the store.
  package var address: String { "\(host):\(port)" }
}
