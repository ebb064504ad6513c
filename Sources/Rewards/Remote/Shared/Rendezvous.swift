import Foundation
import Foundations
import Synchronization

/// The Unix-domain socket at which the processes of one host meet for one reward.
///
/// It is the only file of a folder that no other user may enter.
package struct Rendezvous: Sendable {
  /// Why a socket cannot be used.
  struct Failure: Error { let reason: String }

  private let folder: String
  /// The path of the socket.
  package let path: String

  /// The longest path of a socket: 107 bytes on Linux.
  package static var longestPath: Int {
    MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1
  }

  /// - Parameters:
  ///   - label: of the reward.
  ///   - temporary: the folder for temporary files; the system's own replaces one whose path is too
  ///     long.
  package init(
    _ place: RewardPlace, label: String,
    temporary: String = FileManager.default.temporaryDirectory.path(percentEncoded: false)
  ) {
    let name = "tempflow-" + Self.digest("\(geteuid())\n\(place.rendezvous)\n\(label)")
    let wanted = (temporary.hasSuffix("/") ? temporary : temporary + "/") + name
    let file = "/socket"
    let fits = wanted.utf8.count + file.utf8.count <= Self.longestPath
    folder = fits ? wanted : "/tmp/" + name
    path = folder + file
  }

  private static func digest(_ text: String) -> String {
    String(SHA256.digest(of: text.utf8).prefix(20))
  }

  /// A listening socket. One that an ended process has left is replaced.
  func listen() throws(Failure) -> CInt {
    if mkdir(folder, 0o700) != 0 {
      guard errno == EEXIST else { throw failure("cannot be made") }
      guard isOwn else {
        throw Failure(reason: "\(folder) exists, and other users may write into it")
      }
      if let other = connect() {
        close(other)
        throw Failure(reason: "another process listens at \(path)")
      }
      unlink(path)
    }
    guard let descriptor = Self.newSocket() else { throw failure("has no socket") }
    let isListening =
      withAddress { bind(descriptor, $0, $1) } == 0 && chmod(path, 0o600) == 0
      && Foundation.listen(descriptor, 128) == 0
    guard isListening else {
      let failure = failure("cannot be listened at")
      close(descriptor)
      throw failure
    }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
  }

  /// A socket that is connected to the listener; nil while there is none.
  func connect() -> CInt? {
    guard isOwn, let descriptor = Self.newSocket() else { return nil }
    if withAddress({ Foundation.connect(descriptor, $0, $1) }) == 0 { return descriptor }
    close(descriptor)
    return nil
  }

  /// Removes socket and folder. Connections stay.
  func remove() {
    unlink(path)
    rmdir(folder)
  }

  /// Accepts a connection to a listening socket; nil when none waits.
  ///
  /// No program that is started meanwhile inherits the connection and keeps it open.
  static func accept(_ listener: CInt) -> CInt? {
    ChildProcess.starting.withLock { _ in
      let descriptor = Foundation.accept(listener, nil, nil)
      guard descriptor >= 0 else { return nil }
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      return descriptor
    }
  }

  /// Whether the folder is this user's and closed to others.
  private var isOwn: Bool {
    var status = stat()
    return lstat(folder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      && status.st_uid == geteuid() && status.st_mode & 0o077 == 0
  }

  private static func newSocket() -> CInt? {
    #if canImport(Glibc)
      let kind = CInt(SOCK_STREAM.rawValue)
    #else
      let kind = SOCK_STREAM
    #endif
    return ChildProcess.starting.withLock { _ in
      let descriptor = socket(AF_UNIX, kind, 0)
      guard descriptor >= 0 else { return nil }
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      return descriptor
    }
  }

  private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private func failure(_ what: String) -> Failure {
    Failure(reason: "\(path) \(what): \(SystemError.text(errno))")
  }
}
