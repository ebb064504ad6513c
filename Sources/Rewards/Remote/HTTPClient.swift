import Foundation
import Synchronization

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// What a server answered.
struct HTTPAnswer: Equatable {
  var status: Int
  /// Seconds to leave the server alone, when it said so in seconds.
  var retryAfter: Double?
  /// Where a redirect points.
  var location: String?
  var body: [UInt8] = []

  init(_ response: HTTPURLResponse) {
    status = response.statusCode
    retryAfter = response.value(forHTTPHeaderField: "Retry-After").flatMap(Double.init)
      .flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
    location = response.value(forHTTPHeaderField: "Location")
  }
}

/// How a request ended.
enum HTTPOutcome: Equatable {
  case answer(HTTPAnswer)
  /// The deadline passed before the last byte had come.
  case timedOut
  /// The answer was cut off at the limit.
  case tooLarge
  /// No connection, or one that broke; the text is the system's.
  case failed(String)
}

/// Posts over `URLSession` with limits that it does not have of its own: a deadline for the whole
/// exchange, a largest answer, and no redirects.
///
/// The limits do not rely on the session: a request ends for its caller as soon as one is reached,
/// whatever the session still does with the connection.
final class HTTPClient: Sendable {
  private let exchanges = HTTPExchanges()
  private let session: URLSession

  /// - Parameter connections: to one server, at most.
  init(connections: Int) {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpMaximumConnectionsPerHost = connections
    configuration.httpShouldSetCookies = false
    configuration.urlCache = nil
    // The session's own timeout starts anew with every byte; ours does not.
    configuration.timeoutIntervalForRequest = 86_400
    session = URLSession(configuration: configuration, delegate: exchanges, delegateQueue: nil)
  }

  deinit { session.invalidateAndCancel() }

  /// Sends `body` and collects the answer, whatever its status.
  ///
  /// - Parameters:
  ///   - timeout: seconds from now to the last byte.
  ///   - maximumBytes: of the answer's body.
  func post(
    _ body: [UInt8], to url: URL, headers: [String: String], timeout: Double, maximumBytes: Int
  ) async -> HTTPOutcome {
    var request = URLRequest(url: url)
    request.httpMethod = "POST"
    request.httpBody = Data(body)
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    let task = session.dataTask(with: request)
    let identifier = task.taskIdentifier
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        exchanges.begin(task, maximumBytes: maximumBytes, continuation)
        DispatchQueue.global().asyncAfter(deadline: .now() + timeout) { [exchanges] in
          exchanges.finish(identifier, .timedOut)
        }
        task.resume()
      }
    } onCancel: {
      exchanges.finish(identifier, .failed("cancelled"))
    }
  }
}

/// The requests under way of one session.
private final class HTTPExchanges: NSObject, URLSessionDataDelegate, Sendable {
  private struct Exchange {
    let task: URLSessionDataTask
    let maximumBytes: Int
    let continuation: CheckedContinuation<HTTPOutcome, Never>
    var answer: HTTPAnswer?
  }

  /// By task identifier.
  private let underWay = Mutex<[Int: Exchange]>([:])

  func begin(
    _ task: URLSessionDataTask, maximumBytes: Int,
    _ continuation: CheckedContinuation<HTTPOutcome, Never>
  ) {
    underWay.withLock {
      $0[task.taskIdentifier] = Exchange(
        task: task, maximumBytes: maximumBytes, continuation: continuation)
    }
  }

  /// Ends a request for its caller, and the transfer if it still runs; the first end counts.
  func finish(_ identifier: Int, _ outcome: HTTPOutcome) {
    guard let exchange = underWay.withLock({ $0.removeValue(forKey: identifier) }) else { return }
    exchange.task.cancel()
    exchange.continuation.resume(returning: outcome)
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    guard let response = response as? HTTPURLResponse else { return completionHandler(.cancel) }
    let isTooLarge = underWay.withLock { exchanges in
      exchanges[dataTask.taskIdentifier]?.answer = HTTPAnswer(response)
      let limit = exchanges[dataTask.taskIdentifier]?.maximumBytes ?? .max
      return response.expectedContentLength > limit
    }
    completionHandler(isTooLarge ? .cancel : .allow)
    if isTooLarge { finish(dataTask.taskIdentifier, .tooLarge) }
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    let identifier = dataTask.taskIdentifier
    let isTooLarge = underWay.withLock { exchanges in
      // The body is changed in place: a copy of the exchange would copy the body with every piece.
      let size = (exchanges[identifier]?.answer?.body.count ?? 0) + data.count
      if size > exchanges[identifier]?.maximumBytes ?? .max { return true }
      exchanges[identifier]?.answer?.body.append(contentsOf: data)
      return false
    }
    if isTooLarge { finish(identifier, .tooLarge) }
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?
  ) {
    let answer = underWay.withLock { $0[task.taskIdentifier]?.answer }
    if let error {
      finish(task.taskIdentifier, .failed(error.localizedDescription))
    } else if let answer {
      finish(task.taskIdentifier, .answer(answer))
    } else {
      finish(task.taskIdentifier, .failed("the connection ended without an answer"))
    }
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask,
    willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
    completionHandler: @escaping (URLRequest?) -> Void
  ) {
    completionHandler(nil)
    finish(task.taskIdentifier, .answer(HTTPAnswer(response)))
  }
}
