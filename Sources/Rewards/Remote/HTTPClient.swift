import CCurl
import Foundation
import Synchronization

/// The answer of a server.
struct HTTPAnswer: Equatable, Sendable {
  var status = 0
  /// The header Retry-After in seconds; 0 without one.
  var retryAfter = 0.0
  /// The target of a redirect.
  var redirect: URL?
  var body: [UInt8] = []
}

/// The end of a request.
enum HTTPOutcome: Equatable, Sendable {
  case answer(HTTPAnswer)
  /// The deadline passed between a connection and the last byte.
  case timedOut
  /// The answer was cut off at the limit.
  case tooLarge
  /// No connection, or one that broke; the text is the system's.
  case failed(String)
}

/// POST requests over libcurl, with a deadline, a size limit for the answer, and no redirects.
final class HTTPClient: Sendable {
  /// A connection, used by one thread at a time.
  private struct Handle: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
  }

  /// libcurl's global state, which must be initialized once, before any other use.
  private static let isSetUp = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  /// Handles of no request; each keeps its connections open.
  private let idle = Mutex<[Handle]>([])

  init() {
    precondition(Self.isSetUp, "libcurl cannot be set up")
  }

  deinit {
    for handle in idle.withLock({ $0 }) { curl_easy_cleanup(handle.pointer) }
  }

  /// Sends `body` and returns the answer, whatever its status.
  ///
  /// A request whose task is cancelled ends within a second or so.
  ///
  /// - Parameters:
  ///   - proxy: the proxy of the request; nil is none, whatever `http_proxy` and similar variables
  ///     are.
  ///   - timeout: seconds from now to the last byte.
  ///   - maximumBytes: of the answer's body.
  func post(
    _ body: [UInt8], to url: URL, through proxy: URL?, headers: [String], timeout: Double,
    maximumBytes: Int
  ) async -> HTTPOutcome {
    let collector = Collector(maximumBytes: maximumBytes)
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        // The exchange blocks, so each request in flight has its own thread.
        Thread.detachNewThread {
          // TLS libraries may raise SIGPIPE. The signal is blocked on this thread alone.
          var signals = sigset_t()
          sigemptyset(&signals)
          sigaddset(&signals, SIGPIPE)
          pthread_sigmask(SIG_BLOCK, &signals, nil)
          let handle = self.idle.withLock { $0.popLast() } ?? Handle(pointer: curl_easy_init())
          let outcome = Self.exchange(
            handle.pointer, body, to: url, through: proxy, headers: headers, timeout: timeout,
            collector)
          self.idle.withLock { $0.append(handle) }
          continuation.resume(returning: outcome)
        }
      }
    } onCancel: {
      collector.isCancelled.store(true, ordering: .relaxed)
    }
  }

  private static func exchange(
    _ handle: UnsafeMutableRawPointer, _ body: [UInt8], to url: URL, through proxy: URL?,
    headers: [String], timeout: Double, _ collector: Collector
  ) -> HTTPOutcome {
    curl_easy_reset(handle)
    // An empty Expect header sends a large body without a 100-continue round trip.
    var list: UnsafeMutablePointer<curl_slist>?
    for header in headers + ["Expect:"] { list = curl_slist_append(list, header) }
    defer { curl_slist_free_all(list) }
    var message = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
    let context = Unmanaged.passUnretained(collector).toOpaque()

    ccurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
    ccurl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
    // libcurl copies both texts. An empty text overrides the environment variable.
    _ = (proxy?.absoluteString ?? "").withCString { ccurl_set_pointer(handle, CURLOPT_PROXY, $0) }
    _ = "".withCString { ccurl_set_pointer(handle, CURLOPT_NOPROXY, $0) }
    ccurl_set_long(handle, CURLOPT_TIMEOUT_MS, milliseconds(timeout))
    ccurl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(min(timeout, mostToConnect)))
    ccurl_set_size(handle, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(collector.maximumBytes))
    ccurl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
    ccurl_set_write(handle) { bytes, _, count, context in
      guard let bytes, let context else { return 0 }
      let collector = Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
      return collector.take(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }
    ccurl_set_pointer(handle, CURLOPT_WRITEDATA, context)
    ccurl_set_long(handle, CURLOPT_NOPROGRESS, 0)
    ccurl_set_progress(handle) { context, _, _, _, _ in
      guard let context else { return 0 }
      let collector = Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
      return collector.isCancelled.load(ordering: .relaxed) ? 1 : 0
    }
    ccurl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
    ccurl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
    let code = url.absoluteString.withCString { address in
      body.withUnsafeBytes { body in
        message.withUnsafeMutableBufferPointer { message in
          ccurl_set_pointer(handle, CURLOPT_URL, address)
          ccurl_set_pointer(handle, CURLOPT_POSTFIELDS, body.baseAddress)
          ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, message.baseAddress)
          return curl_easy_perform(handle)
        }
      }
    }
    defer { curl_easy_reset(handle) }
    if collector.isTooLarge || code == CURLE_FILESIZE_EXCEEDED { return .tooLarge }
    switch code {
    case CURLE_OK: return .answer(answer(handle, collector))
    case CURLE_OPERATION_TIMEDOUT:
      var microseconds: curl_off_t = 0
      ccurl_get_size(handle, CURLINFO_PRETRANSFER_TIME_T, &microseconds)
      return microseconds > 0
        ? .timedOut : .failed("no connection within \(min(timeout, mostToConnect)) s")
    default:
      let text = message.first == 0 ? String(cString: curl_easy_strerror(code)) : text(message)
      return .failed(text)
    }
  }

  /// Seconds for a connection, with TLS: a host that is off answers nothing at all.
  private static let mostToConnect = 10.0

  private static func milliseconds(_ seconds: Double) -> Int {
    max(1, Int(min(seconds, 1e6) * 1000))
  }

  private static func text(_ message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private static func answer(
    _ handle: UnsafeMutableRawPointer, _ collector: Collector
  ) -> HTTPAnswer {
    var status = 0
    var seconds: curl_off_t = 0
    var address: UnsafePointer<CChar>?
    ccurl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
    ccurl_get_size(handle, CURLINFO_RETRY_AFTER, &seconds)
    ccurl_get_string(handle, CURLINFO_REDIRECT_URL, &address)
    return HTTPAnswer(
      status: status, retryAfter: Double(seconds),
      redirect: address.flatMap { URL(string: String(cString: $0)) }, body: collector.body)
  }
}

/// The body of one answer, up to a limit. Only the request's thread reads and writes it.
private final class Collector: @unchecked Sendable {
  let maximumBytes: Int
  let isCancelled = Atomic(false)
  private(set) var body: [UInt8] = []
  private(set) var isTooLarge = false

  init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

  /// Appends bytes; false when they exceed the limit.
  func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
    isTooLarge = body.count + bytes.count > maximumBytes
    if !isTooLarge { body += bytes }
    return !isTooLarge
  }
}
