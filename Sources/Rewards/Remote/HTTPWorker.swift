import Foundation
import Foundations

/// One HTTP server, with JSON in requests and answers.
///
/// Redirects are not followed, so images and key go to the address in the recipe alone.
struct HTTPWorker: RemoteWorker {
  let label: String
  private let url: URL
  private let headers: [String]
  private let key: String?
  private let proxy: URL?
  private let maximumBytes: Int
  private let refusal: KnownRefusal?
  private let client: HTTPClient

  /// A refusal of a request, with status 400 or 422, that every request would get and a person can
  /// end.
  struct KnownRefusal: Sendable {
    /// In lower case; the text of the refusal holds it in letters of either case.
    var word: String
    /// What to do.
    var remedy: String

    fileprivate func isIn(_ body: [UInt8]) -> Bool {
      let texts: [String]
      do throws(JSONParser.Failure) {
        texts = Self.texts(try JSONParser.parse(body[...]))
      } catch {
        texts = [String(decoding: body, as: UTF8.self)]
      }
      return texts.contains { $0.lowercased().contains(word) }
    }

    /// The texts of a refusal. `input` is FastAPI's copy of the request, which holds the word
    /// anyway.
    private static func texts(_ value: JSONValue) -> [String] {
      if let text = value.string { return [text] }
      return (value.array ?? []).flatMap(texts)
        + (value.members ?? []).filter { $0.key != "input" }.flatMap { texts($0.value) }
    }
  }

  /// - Parameters:
  ///   - url: one of ``ServiceSettings/checkedURLs()``, with a path.
  ///   - key: sent as a bearer token; no message of this type contains it.
  ///   - proxy: the proxy of all requests; nil is none, whatever the environment's variables are.
  ///   - maximumBytes: the size of the largest answer that is read.
  init(
    _ url: URL, key: String?, proxy: URL?, maximumBytes: Int, refusal: KnownRefusal?,
    client: HTTPClient
  ) {
    self.url = url
    self.key = key
    self.proxy = proxy
    self.maximumBytes = maximumBytes
    self.refusal = refusal
    self.client = client
    label = url.absoluteString + (proxy.map { " (proxy \($0.absoluteString))" } ?? "")
    headers =
      ["Content-Type: application/json", "Accept: application/json", "User-Agent: tempflow"]
      + (key.map { ["Authorization: Bearer \($0)"] } ?? [])
  }

  /// The servers of `settings`.
  ///
  /// - Parameter path: appended to every address.
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address or a key that cannot be
  ///   used.
  static func all(
    _ settings: ServiceSettings, path: String, maximumBytes: Int = 16_000_000,
    refusal: KnownRefusal? = nil
  ) throws(RewardError) -> RemoteWorkers {
    let (key, proxy) = (try settings.apiKey(), try settings.checkedProxy())
    let client = HTTPClient()
    var workers: [HTTPWorker] = []
    for base in try settings.checkedURLs() {
      workers.append(
        HTTPWorker(
          base.appending(path: path), key: key, proxy: proxy, maximumBytes: maximumBytes,
          refusal: refusal, client: client))
    }
    return RemoteWorkers(
      workers, limit: settings.concurrency, policy: settings.retry,
      notice: RewardNotice.standardError(settings.label))
  }

  func ask(_ request: [UInt8], timeout: Double) async throws(RemoteFault) -> [UInt8] {
    let outcome = await client.post(
      request, to: url, through: proxy, headers: headers, timeout: timeout,
      maximumBytes: maximumBytes)
    switch outcome {
    case .answer(let answer):
      if answer.status == 200 { return answer.body }
      throw fault(of: answer)
    case .timedOut:
      throw .transient(.timeout, detail: "\(label) gave no whole answer in \(timeout) s")
    case .tooLarge:
      throw .transient(.tooLarge, detail: "\(label) answers with more than \(maximumBytes) bytes")
    case .failed(let reason):
      throw .transient(
        .unreachable, detail: "\(label) cannot be reached: \(reason)\(unusedProxy)")
    }
  }

  /// A remark about a proxy in the environment, which has no effect here.
  private var unusedProxy: String {
    let names = [url.scheme.map { "\($0.lowercased())_proxy" }, "all_proxy"].compactMap { $0 }
    let set = (names + names.map { $0.uppercased() }).first { name in
      ProcessInfo.processInfo.environment[name].map { !$0.isEmpty } ?? false
    }
    guard proxy == nil, let set else { return "" }
    return "; the environment's \(set) is not used: proxy in the reward's entry names a proxy"
  }

  /// Does nothing: requests are independent.
  func restart() {}

  private func fault(of answer: HTTPAnswer) -> RemoteFault {
    let said = "\(label) answers \(answer.status)\(excerpt(answer.body))"
    if let refusal, [400, 422].contains(answer.status), refusal.isIn(answer.body) {
      return .permanent(detail: "\(said); \(refusal.remedy)")
    }
    switch answer.status {
    case 300..<400:
      return .permanent(
        detail: "\(label) redirects (\(answer.status))"
          + (answer.redirect?.host().map { " to \($0)" } ?? "") + ", which is not followed; "
          + "put the final address into urls")
    case 401, 403:
      return .permanent(
        detail: said + "; name the environment variable that holds its key in api_key_variable")
    case 400, 413, 422: return .transient(.rejected, detail: said)
    case 408: return .transient(.timeout, detail: said)
    case 425, 429, 502, 503, 504:
      return .transient(.busy, detail: said, retryAfter: answer.retryAfter)
    case 501: return .permanent(detail: said + "; does it speak this protocol?")
    case 500..<600: return .transient(.serverError, detail: said)
    case 404, 405: return .permanent(detail: said + "; is the address in urls right?")
    default: return .permanent(detail: said)
    }
  }

  /// The start of an error's body, printable, without the key.
  private func excerpt(_ body: [UInt8]) -> String {
    var text = String(decoding: body.prefix(4096), as: UTF8.self)
    if let key { text = text.replacing(key, with: "[key]") }
    let line = text.oneLine(limit: 300)
    return line.isEmpty ? "" : ": \(line)"
  }
}
