import Rewards
import Testing

@Suite struct SharedMessageTests {
  @Test func `every message is one line that reads back`() {
    let json = Array(#"{"id": "a b", "samples": [{"prompt": "café  x"}]}"#.utf8)
    let messages: [SharedMessage] =
      [
        .hello(rank: 3, process: 41), .cancel(number: 7), .alive, .answer(number: 8, json),
        .ask(number: 9, count: 2, identifier: "A-1", request: json),
        .fault(number: 1, .permanent(detail: "two\nlines")),
        .fault(number: 2, .transient(.busy, detail: "", retryAfter: 1.5)),
      ] + RemoteFault.Reason.allCases.map { .fault(number: 3, .transient($0, detail: "why")) }
    for message in messages {
      #expect(SharedMessage(message.line) == message)
      #expect(!message.line.contains(UInt8(ascii: "\n")))
    }
  }

  @Test(arguments: [
    " ", "hello", "hello 1", "hello x 2", "ask 1", "ask x 1 id {}", "cancel", "answer",
    "answer x {}",
    "fault 1", "fault 1 {}", #"fault 1 {"detail": "a", "reason": "unknown"}"#, "fault 1 {",
    "other 1",
  ])
  func `any other line is none`(line: String) {
    #expect(SharedMessage(Array(line.utf8)) == nil)
  }
}
