#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What this process does on a signal.
enum SignalAction {
  /// Sets the handler of a signal. System calls that it interrupts are restarted.
  static func set(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    sigemptyset(&action.sa_mask)
    #if canImport(Glibc)
      action.__sigaction_handler.sa_handler = handler
    #else
      action.__sigaction_u.__sa_handler = handler
    #endif
    action.sa_flags = SA_RESTART
    let result = sigaction(number, &action, nil)
    precondition(result == 0, "sigaction refused signal \(number)")
  }

  /// Whether a signal is ignored, as SIGHUP is under `nohup`.
  static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    #if canImport(Glibc)
      let handler = action.__sigaction_handler.sa_handler
    #else
      let handler = action.__sigaction_u.__sa_handler
    #endif
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
