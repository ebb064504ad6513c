import Foundation
import Foundations
import Rewards
import Testing

@Suite struct HTTPRewardTests {
  /// Shared by the tests that do not kill a server.
  private static let server = Result { try FaultyServer() }
  private let server: FaultyServer

  init() throws { server = try Self.server.get() }

  private func reward(
    _ fault: String, _ change: (inout HTTPFactory) -> Void = { _ in }
  ) throws -> HTTPReward {
    var factory = HTTPFactory(service("http", urls: [server.url(fault)]))
    change(&factory)
    return try HTTPReward(factory)
  }

  @Test func `scores and parts come back in the order of the samples, a batch to a request`()
    async throws
  {
    let scores = try await reward("good") { $0.batchSize = 3 }.score(samples(10))
    #expect(scores.total == (1...10).map(Double.init))
    #expect(scores[part: "half"] == (1...10).map { Double($0) / 2 })
    #expect(scores.reasons.isEmpty)
    #expect(try server.seen("good").map(\.count).sorted() == [1, 3, 3, 3])
  }

  @Test func `a request holds images as PNG and the metadata of the prompt`() async throws {
    let scores = try await reward("echo").score(samples(3))
    #expect(scores.total == [1, 2, 3])
    #expect(scores[part: "png"] == [1, 1, 1])
  }

  @Test func `an empty batch makes no request`() async throws {
    #expect(try await reward("missing").score([]) == RewardScores(total: []))
  }

  @Test(arguments: [
    ("reset", "unreachable"), ("cut", "unreachable"), ("broken", "server error"),
    ("drip", "timed out"), ("silent", "timed out"), ("endless", "answer too large"),
    ("huge", "answer too large"), ("short", "bad answer"), ("nan", "not a finite number"),
    ("text", "bad answer"), ("flag", "bad answer"), ("other", "bad answer"),
    ("page", "bad answer"), ("names", "bad answer"), ("refused", "request refused"),
    ("status-400", "request refused"), ("status-422", "request refused"),
    ("status-425", "busy"), ("status-502", "busy"), ("status-504", "busy"),
  ])
  func `after a fault the samples have no score, with the reason`(
    fault: String, reason: String
  ) async throws {
    let scores = try await reward(fault) {
      $0.service.retry.timeout = reason == "timed out" ? 0.3 : 30
    }.score(samples(2))
    #expect(scores.total == [nil, nil])
    #expect(scores.reasons == [0: reason, 1: reason])
  }

  @Test func `a request that waits for a server ends with its task`() async throws {
    let reward = try reward("broken") {
      $0.service.retry.firstRest = 60
      $0.service.retry.longestRest = 60
      $0.service.retry.outageTimeout = 60
      $0.service.retry.retries = 3
    }
    let asking = Task { try await reward.score(samples(2)) }
    try await Task.sleep(for: .milliseconds(300))
    let start = ContinuousClock.now
    asking.cancel()
    #expect(try await asking.value.total == [nil, nil])
    #expect(start.duration(to: .now) < .seconds(20))
  }

  @Test func `a host that does not take a connection is unreachable, not late`() async throws {
    let full = try FullListener()
    var factory = HTTPFactory(service("http", urls: ["http://127.0.0.1:\(full.port)/"]))
    factory.service.retry.timeout = 0.3
    let scores = try await HTTPReward(factory).score(samples(1))
    #expect(scores.reasons == [0: "unreachable"])
  }

  @Test func `a server that hangs is not asked again while another one is free`() async throws {
    var factory = HTTPFactory(
      service("http", urls: [server.url("silent"), server.url("slow")]))
    factory.batchSize = 1
    factory.service.concurrency = 1
    factory.service.retry.timeout = 2
    factory.service.retry.retries = 2
    let before = try server.seen("silent").count
    // Three seconds, more than any rest.
    let scores = try await HTTPReward(factory).score(samples(60))
    #expect(scores.total == (1...60).map(Double.init))
    #expect(try server.seen("silent").count <= before + 1)
  }

  @Test func `a sample with null has no score`() async throws {
    let scores = try await reward("null").score(samples(3))
    #expect(scores.total == [nil, 1, 1])
    #expect(scores.reasons == [0: "no score given"])
  }

  @Test func `a number that is not finite leaves its own sample alone without a score`()
    async throws
  {
    let scores = try await reward("infinite") { $0.service.retry.retries = 3 }.score(samples(4))
    #expect(scores.total == [1, nil, nil, 4])
    #expect(scores.reasons == [1: "not a finite number", 2: "not a finite number"])
    #expect(scores[part: "half"] == [nil, 1, 1, 1])
    #expect(try server.seen("infinite").count == 1, "the request is sent once")
  }

  @Test(arguments: ["twice", "busy"])
  func `a request that failed is sent again under the same identifier`(fault: String) async throws {
    let scores = try await reward(fault) {
      $0.service.retry.retries = 2
      $0.service.retry.outageTimeout = 5
    }.score(samples(2))
    #expect(scores.total == [1, 2])
    let seen = try server.seen(fault)
    #expect(seen.count == (fault == "twice" ? 3 : 2))
    #expect(Set(seen.map(\.id)).count == 1)
  }

  @Test(arguments: [
    ("missing", "answers 404: {\"error\": \"no such page\"}; is the address in urls right?"),
    ("version", "answers with protocol 2, and this program speaks protocol 1"),
    ("redirect", "redirects (307) to elsewhere.invalid, which is not followed"),
    ("key", "answers 401"), ("status-403", "answers 403"), ("status-405", "answers 405"),
    ("status-501", "does it speak this protocol?"),
  ])
  func `a fault that only a person can fix ends the run at once`(fault: String, says: String)
    async throws
  {
    let error = await #expect(throws: RewardError.self) {
      try await reward(fault) { $0.service.retry.retries = 100 }.score(samples(2))
    }
    let text = try #require(error?.description)
    #expect(text.hasPrefix("the reward http failed: ") && text.contains(says), "\(text)")
    #expect(!text.contains("secret"))
  }

  @Test func `the key comes from the environment and is never repeated`() async throws {
    setenv("TEMPFLOW_TEST_RIGHT", " right-key\n", 1)
    setenv("TEMPFLOW_TEST_WRONG", "wrong-key", 1)
    let good = try await reward("key") { $0.service.apiKeyVariable = "TEMPFLOW_TEST_RIGHT" }
      .score(samples(1))
    #expect(good.total == [1])
    let wrong = try reward("key") { $0.service.apiKeyVariable = "TEMPFLOW_TEST_WRONG" }
    let refusal = await #expect(throws: RewardError.self) { try await wrong.score(samples(1)) }
    #expect(refusal?.description.contains("the key Bearer [key] is wrong") == true)
    #expect(refusal?.description.contains("wrong-key") == false)
    let unset = #expect(throws: RewardError.self) {
      try reward("key") { $0.service.apiKeyVariable = "TEMPFLOW_TEST_UNSET" }
    }
    #expect(unset?.description.contains("TEMPFLOW_TEST_UNSET, which is not set") == true)
  }

  @Test(arguments: [
    "127.0.0.1:80", "ftp://host/", "http://", "http://me:secret@host/", "http://host/?key=secret",
  ])
  func `an address that may hold a key, or is no address, is refused and not repeated`(
    url: String
  ) throws {
    let error = #expect(throws: RewardError.self) {
      try HTTPFactory(service("http", urls: [url])).check()
    }
    #expect(error?.description.contains("urls must be addresses such as") == true)
    #expect(error?.description.contains("secret") == false)
  }

  @Test func `requests go through the entry's proxy and never through the environment's`()
    async throws
  {
    let (target, proxy) = (try FaultyServer(), try FaultyServer())
    // Other tests of this process reach their servers as 127.0.0.1, which stays without a proxy.
    setenv("no_proxy", "127.0.0.1", 1)
    let names = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    for name in names { setenv(name, "http://127.0.0.1:\(proxy.port)", 1) }
    defer { for name in names { unsetenv(name) } }
    var factory = HTTPFactory(service("http", urls: ["http://localhost:\(target.port)/good"]))
    #expect(try await HTTPReward(factory).score(samples(2)).total == [1, 2])
    #expect(try target.seen("good").count == 1)
    #expect(try proxy.seen("good").isEmpty)
    // A request to a proxy holds the whole address.
    factory.service.urls = ["http://service.invalid/good"]
    factory.service.proxy = "http://127.0.0.1:\(proxy.port)"
    setenv("no_proxy", "*", 1)
    defer { setenv("no_proxy", "127.0.0.1", 1) }
    #expect(try await HTTPReward(factory).score(samples(2)).total == [1, 2])
    #expect(try proxy.seen("good").count == 1)
    factory.service.urls = ["http://service.invalid/missing"]
    let failing = try HTTPReward(factory)
    let error = await #expect(throws: RewardError.self) { try await failing.score(samples(1)) }
    #expect(
      error?.description.contains(
        "http://service.invalid/missing/score (proxy http://127.0.0.1:\(proxy.port)) answers 404")
        == true, "\(String(describing: error))")
  }

  @Test(arguments: [
    "proxy:3128", "ftp://proxy", "http://me:secret@proxy:3128", "http://proxy/path?secret", "",
  ])
  func `a proxy that is no plain address is refused and not repeated`(proxy: String) throws {
    var factory = HTTPFactory(service("http", urls: ["http://127.0.0.1:8000"]))
    factory.service.proxy = proxy
    let error = #expect(throws: RewardError.self) { try factory.check() }
    #expect(error?.description.contains("proxy must be an address such as") == true)
    #expect(error?.description.contains("secret") == false)
  }

  @Test func `requests in flight stay within the limit`() async throws {
    let own = try FaultyServer()
    var factory = HTTPFactory(service("http", urls: [own.url("slow")]))
    factory.batchSize = 1
    factory.service.concurrency = 3
    let scores = try await HTTPReward(factory).score(samples(9))
    #expect(scores.total == (1...9).map(Double.init))
    #expect(try own.maxInFlight() == 3)
  }

  @Test func `servers share the work without one that is down`() async throws {
    let servers = try [FaultyServer(), FaultyServer(), FaultyServer()]
    servers[1].kill()
    var factory = HTTPFactory(service("http", urls: servers.map { $0.url("slow") }))
    factory.batchSize = 1
    factory.service.retry.outageTimeout = 5
    let scores = try await HTTPReward(factory).score(samples(12))
    #expect(scores.total == (1...12).map(Double.init))
    let shares = try [servers[0], servers[2]].map { try $0.seen("slow").count }
    #expect(shares.reduce(0, +) == 12)
    #expect(shares.allSatisfy { $0 >= 4 }, "\(shares)")
  }

  @Test func `a server that is killed and started again neither loses nor repeats a score`()
    async throws
  {
    let first = try FaultyServer()
    var factory = HTTPFactory(service("http", urls: [first.url("slow")]))
    factory.batchSize = 1
    factory.service.concurrency = 2
    factory.service.retry.outageTimeout = 30
    let reward = try HTTPReward(factory)
    async let scores = reward.score(samples(80))
    while try first.seen("slow").count < 4 { try await Task.sleep(for: .milliseconds(10)) }
    first.kill()
    try await Task.sleep(for: .milliseconds(300))
    let second = try FaultyServer(port: first.port)
    let found = try await scores
    #expect(found.total == (1...80).map(Double.init))
    let seen = try second.seen("slow")
    #expect(!seen.isEmpty && seen.count <= 78)
    #expect(Set(seen.map(\.id)).count == seen.count)
  }

  @Test func `once a service is given up, waiting requests fail at once`() async throws {
    let gone = try FaultyServer()
    gone.kill()
    var factory = HTTPFactory(service("http", urls: [gone.url("good")]))
    factory.batchSize = 1
    factory.service.retry.outageTimeout = 0.3
    let start = ContinuousClock.now
    let scores = try await HTTPReward(factory).score(samples(64))
    #expect(scores.total.allSatisfy { $0 == nil })
    #expect(Set(scores.reasons.values) == ["unreachable"])
    // Tried one after the other, at 5 s of rest each, they would take five minutes.
    #expect(start.duration(to: .now) < .seconds(90))
  }
}

/// A listener that takes no connection because its queue is full, as a host that is off.
private final class FullListener {
  let port: Int
  private let sockets: [CInt]

  init() throws {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    port = try withUnsafeMutablePointer(to: &address) {
      try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        try #require(bind(listener, pointer, length) == 0)
        try #require(listen(listener, 0) == 0)
        try #require(getsockname(listener, pointer, &length) == 0)
      }
      return Int(UInt16(bigEndian: $0.pointee.sin_port))
    }
    let clients = (0..<4).map { _ in
      socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
    }
    for client in clients {
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(client, $0, length) }
      }
    }
    sockets = [listener] + clients
  }

  deinit { for socket in sockets { close(socket) } }
}
