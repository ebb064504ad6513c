import Foundation
import ProcessGroups
import Torch

/// Prints one line of JSON with the result of every collective, whose closed forms the tests know.
func printCollectives(_ group: ProcessGroup) throws {
  let (rank, size) = (group.rank, group.size)
  var results: [String: [Double]] = [
    "place": [rank, size, group.localRank, group.localSize].map(Double.init)
  ]
  func add(_ name: String, _ tensor: Tensor) {
    results[name] = tensor.floats().map(Double.init)
    results["\(name) shape"] = tensor.shape.map(Double.init)
  }
  let sum = floats([rank + 1, (rank + 1) * (rank + 1)])
  try group.allReduce(sum, "a sum")
  add("sum", sum)

  let root = floats([rank, 7])
  try group.broadcast(root, from: size - 1, "a broadcast")
  add("broadcast", root)

  add("gather", try group.allGather(floats([rank, 10 * rank]), "a gather"))

  // Two under way at once.
  let outputs = (0..<2).map { _ in Tensor.empty([size, 1], dtype: .float32, device: .cpu) }
  let inputs = [floats([rank]), floats([-rank])]
  let pending = try zip(inputs, outputs).map { try group.beginAllGather($0, into: $1, "a begun") }
  for gather in pending { try gather.wait() }
  for (index, output) in outputs.enumerated() { add("begun \(index)", output) }

  // Rank r sends r + p rows to rank p, and row i is [r, p, i].
  let sent = (0..<size).map { rank + $0 }
  let rows = sent.enumerated().flatMap { peer, count in
    (0..<count).flatMap { [rank, peer, $0] }
  }
  let exchanged = try group.exchange(
    floats(rows).reshaped([rows.count / 3, 3]), sent: sent, received: sent, "an exchange")
  add("exchange", exchanged)

  let bytes = try group.gather([UInt8](repeating: UInt8(rank), count: rank), "bytes")
  results["bytes"] = bytes.flatMap { [Double($0.count)] + $0.map(Double.init) }
  try group.barrier("the end")
  let encoder = JSONEncoder()
  encoder.outputFormatting = .sortedKeys
  print(String(decoding: try encoder.encode(results), as: UTF8.self))
}

/// Prints `joined`, and sums until a process is lost.
///
/// - Parameter pause: a rank that is busy for some seconds after the first sum.
func sum(in group: ProcessGroup, pause: (rank: Int, seconds: Double)?) throws {
  if let pause {
    try group.allReduce(floats([group.rank]), "a sum")
    if group.rank == pause.rank { Thread.sleep(forTimeInterval: pause.seconds) }
  }
  let line = "joined \(ProcessInfo.processInfo.processIdentifier)\n"
  FileHandle.standardOutput.write(Data(line.utf8))
  while true {
    try group.allReduce(floats([group.rank]), "a sum")
    usleep(10_000)
  }
}

private func floats(_ values: [Int]) -> Tensor {
  Tensor(values.map(Float.init), shape: [values.count])
}
