internal import CTorch
internal import Torch

/// The store through which processes meet, or a client of it: small values under keys.
package final class Store {
  let handle: OpaquePointer
  /// The port that the store listens on.
  package let port: Int

  /// Connects, or throws libtorch's text.
  ///
  /// - Parameters:
  ///   - serves: whether this process runs the store.
  ///   - workers: how many processes must connect before this returns; 0 does not wait.
  package init(
    _ variables: LaunchVariables, serves: Bool, workers: Int, timeout: Duration
  ) throws(TorchFailure) {
    let prefix =
      variables.launcherHasStore ? "/worker/attempt_\(variables.restartCount)" : ""
    var port = Int32(variables.port)
    guard
      let handle = ctorch_store(
        variables.host, &port, serves, Int32(workers), prefix,
        timeout.milliseconds)
    else { throw .last() }
    self.handle = handle
    self.port = Int(port)
  }

  deinit { ctorch_store_release(handle) }

  /// Writes a value.
  package func set(_ key: String, _ text: String) throws(TorchFailure) {
    let bytes = Array(text.utf8)
    guard ctorch_store_set(handle, key, bytes, Int64(bytes.count)) else { throw .last() }
  }

  /// The value of a key, waiting for it.
  package func get(_ key: String, timeout: Duration) throws(TorchFailure) -> String {
    try text { ctorch_store_get(handle, key, timeout.milliseconds, Self.take, $0) }
  }

  /// The present value of a key, empty without one.
  ///
  /// - Throws: when the store does not answer in time.
  package func value(_ key: String, timeout: Duration) throws(TorchFailure) -> String {
    try text { ctorch_store_try(handle, key, timeout.milliseconds, Self.take, $0) }
  }

  /// What a call passes to `take`, whose context is the array.
  private func text(
    _ call: (UnsafeMutablePointer<[UInt8]>) -> Bool
  ) throws(TorchFailure) -> String {
    var bytes: [UInt8] = []
    // `&bytes` as an argument would be the address of the elements.
    guard withUnsafeMutablePointer(to: &bytes, call) else { throw .last() }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static let take:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeRawPointer?, Int64) -> Void = {
      context, data, count in
      context!.assumingMemoryBound(to: [UInt8].self).pointee =
        Array(UnsafeRawBufferPointer(start: data, count: Int(count)))
    }
}

/// The text of a libtorch call that failed.
package struct TorchFailure: Error {
  package let text: String

  /// Of the last call on this thread: its first line, without a period.
  static func last() -> TorchFailure {
    let text = String(cString: ctorch_last_error())
    var line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "unknown"
    while line.last == "." || line.last == " " { line.removeLast() }
    return TorchFailure(text: line)
  }
}

extension Duration {
  var milliseconds: Int64 { Int64(self / .milliseconds(1)) }
}
