import ProcessGroups
import TestSupport
import Testing

@Suite struct StoreAddressTests {
  private func check(_ host: String, _ port: Int, listens: Bool = true) -> StoreAddress.Check {
    StoreAddress(host: host, port: port).check(timeout: .seconds(5), listens: listens)
  }

  @Test func `an address is a host and a port, with an IPv6 address in brackets`() {
    #expect(StoreAddress("node1:29500") == StoreAddress(host: "node1", port: 29500))
    #expect(StoreAddress("[fe80::1]:1") == StoreAddress(host: "fe80::1", port: 1))
    for text in ["node1", "node1:", ":29500", "node1:0", "node1:65536", "fe80::1:2", "[]:1"] {
      #expect(StoreAddress(text) == nil, "\(text)")
    }
  }

  @Test func `a free port of this host is one on which rank 0 can listen`() throws {
    let port = try LocalSocket(backlog: nil).port
    let found = check("127.0.0.1", port)
    #expect(found.state == .free && found.isHere && found.isLoopback)
    #expect(found.addresses == ["127.0.0.1"])
  }

  @Test func `a program that listens is found`() throws {
    let program = try LocalSocket(backlog: 4)
    #expect(check("127.0.0.1", program.port).state == .answers)
  }

  @Test func `a port that is taken without an answer cannot be listened on`() throws {
    let program = try LocalSocket(backlog: nil)
    guard case .cannotListen(let reason) = check("127.0.0.1", program.port).state else {
      Issue.record("the port was found free")
      return
    }
    #expect(reason == "Address already in use")
  }

  @Test func `a process that may not listen leaves the port of its host alone`() throws {
    let holder = try LocalSocket(backlog: nil)
    let found = check("127.0.0.1", holder.port, listens: false)
    #expect(found.state == .refuses && found.isHere)
  }

  @Test func `a name without an address is unresolved`() {
    // The name is too long for any resolver to look up.
    let found = check(String(repeating: "a", count: 300), 29500)
    guard case .unresolved(let reason) = found.state else {
      Issue.record("\(found)")
      return
    }
    #expect(!reason.isEmpty && found.addresses.isEmpty && !found.isHere)
  }

  @Test func `this host has a loopback interface, and its addresses are its own`() throws {
    let interfaces = NetworkInterface.all()
    let loopback = try #require(interfaces.first { $0.isLoopback })
    #expect(loopback.addresses.contains { $0.hasPrefix("127.") || $0 == "::1" })
    for address in interfaces.flatMap(\.addresses) where !address.contains("%") {
      let port = try LocalSocket(backlog: nil).port
      #expect(check(address, port).isHere, "\(address)")
    }
  }
}
