import JSON
import Runs
import TestSupport
import Testing

struct JSONTests {
  @Test func `a value is written on one line with its keys in order`() {
    let value: JSONValue = [
      "b": 1, "a": [true, nil, 2.5, 3.0], "text": "\"\\\n\u{1}é\u{2028}", "empty": [:], "none": [],
    ]
    let expected =
      #"{"b":1,"a":[true,null,2.5,3.0],"text":"\"\\\n\u0001é\u2028","empty":{},"none":[]}"#
    #expect(value.text == expected)
  }

  @Test func `what is written reads back equal, with every bit of its numbers`() throws {
    var generator = FixedGenerator(state: 1)
    var numbers: [JSONValue] = [.int(.max), .int(.min), .double(-0.0), .double(1e300), .double(2)]
    for _ in 0..<500 {
      let value = Double(bitPattern: generator.next())
      if value.isFinite { numbers.append(.double(value)) }
    }
    let value: JSONValue = ["x": .array(numbers), "s": "a\tb\\\"\u{1F600}", "o": ["k": ["l": nil]]]
    #expect(try JSONValue(parsing: value.text.utf8, path: "x") == value)
    #expect(try JSONValue(parsing: value.text.utf8, path: "x").text == value.text)
  }

  @Test func `JSON of other writers is read`() throws {
    let text = " {\"a\" : [ 1 , -2e3, 0.5E-1 ],\n\"b\":\"\\u00e9\\ud83d\\ude00\\/\\b\"}\r\n"
    let value = try JSONValue(parsing: text.utf8, path: "x")
    #expect(value["a"] == [1, -2000.0, 0.05])
    #expect(value["b"] == "é\u{1F600}/\u{8}")
    #expect(value["a"]?.array?[0].number == 1)
  }

  @Test func `numbers that are not finite are read where they are allowed`() throws {
    let text = "[NaN, nan, -NaN, Infinity, -Infinity, inf, -inf, 1e999, null, -1]"
    let value = try JSONParser.parse(Array(text.utf8)[...], allowsNonFinite: true)
    let numbers = try #require(value.array).map(\.number)
    #expect(numbers[0...2].allSatisfy { $0?.isNaN == true })
    #expect(numbers[3...] == [.infinity, -.infinity, .infinity, -.infinity, .infinity, nil, -1])
    #expect(value.messageText == "[nan,nan,-nan,inf,-inf,inf,-inf,inf,null,-1]")
  }

  @Test func `no damaged JSON ends the program`() {
    var mutations = Mutations(seed: 5)
    let text = #"{"a": [NaN, -Infinity, 1e-3, "é\n\ud83d\ude00", null], "b": {"c": true}}"#
    for _ in 0..<2000 {
      let bytes = mutations.mutated(Array(text.utf8))
      do throws(JSONParser.Failure) {
        let value = try JSONParser.parse(bytes[...], allowsNonFinite: true)
        #expect(!value.messageText.isEmpty)
      } catch {
        #expect((0...bytes.count).contains(error.offset))
      }
    }
  }

  @Test(arguments: [
    "", "{", "[1,", "[1 2]", "{\"a\" 1}", "{a:1}", "{\"a\":1,\"a\":2}", "01", "1.", "1e", "-", "+1",
    "nul", "\"open", "\"\\x\"", "\"\\ud800\"", "\"\\u12\"", "1 2", "[1],", "NaN", "1e999",
    "\"\u{1}\"",
  ])
  func `broken JSON is refused`(_ text: String) {
    #expect(throws: RunError.self) { try JSONValue(parsing: text.utf8, path: "x") }
  }

  @Test func `broken JSON is refused with its line`() {
    #expect(throws: RunError.unreadable(path: "x.json", line: 3, reason: "expected a value")) {
      try JSONValue(parsing: "{\n\"a\":\nb}".utf8, path: "x.json")
    }
    #expect(throws: RunError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22], path: "x") }
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: RunError.self) { try JSONValue(parsing: deep.utf8, path: "x") }
  }

  @Test func `no bytes make the reader crash`() {
    var generator = FixedGenerator(state: 2)
    let seed = Array(#"{"a":[1,-2.5e3,"\u00e9\n",true,null],"b":{"c":{}}}"#.utf8)
    for _ in 0..<10_000 {
      var bytes = seed
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = UInt8.random(in: 0...255, using: &generator)
      }
      bytes.removeLast(Int.random(in: 0..<9, using: &generator))
      do throws(RunError) {
        let value = try JSONValue(parsing: bytes, path: "x")
        #expect(!value.text.isEmpty)
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
  }
}
