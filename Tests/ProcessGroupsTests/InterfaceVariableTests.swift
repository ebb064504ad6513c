import ProcessGroups
import Testing

@Suite struct InterfaceVariableTests {
  private let names = ["lo", "eth0", "eth1", "docker0"]

  @Test(arguments: [
    ("eth0", []), ("eth0,eth1", []), ("eth", ["eth"]), ("eth0,ib0,ib1", ["ib0", "ib1"]),
  ])
  func `Gloo's variable has the names of interfaces`(_ value: String, _ unknown: [String]) {
    #expect(InterfaceVariable.gloo.unknown(in: value, among: names) == unknown)
  }

  @Test(arguments: [
    ("eth", true), ("ib,eth", true), ("=eth0", true), ("^docker,lo", true), ("^=lo", true),
    ("ib", false), ("=eth", false), ("^lo,eth,docker", false),
  ])
  func `NCCL's variable has beginnings of names, exact names, or those to leave out`(
    _ value: String, _ selects: Bool
  ) {
    let unknown = InterfaceVariable.nccl.unknown(in: value, among: names)
    #expect(unknown == (selects ? [] : [value]))
  }
}
