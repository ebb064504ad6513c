import Foundation
import Foundations
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
    var generator = SplitMix64(seed: 1)
    var numbers: [JSONValue] = [.int(.max), .int(.min), .double(-0.0), .double(1e300), .double(2)]
    for _ in 0..<500 {
      let value = Double(bitPattern: generator.next())
      if value.isFinite { numbers.append(.double(value)) }
    }
    let value: JSONValue = ["x": .array(numbers), "s": "a\tb\\\"\u{1F600}", "o": ["k": ["l": nil]]]
    #expect(try parsed(value.text.utf8) == value)
    #expect(try parsed(value.text.utf8).text == value.text)
  }

  @Test func `JSON of other writers is read`() throws {
    let text = " {\"a\" : [ 1 , -2e3, 0.5E-1 ],\n\"b\":\"\\u00e9\\ud83d\\ude00\\/\\b\"}\r\n"
    let value = try parsed(text.utf8)
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
    #expect(throws: JSONParser.Failure.self) { try parsed(text.utf8) }
  }

  @Test func `the error of broken JSON names the fault and its byte`() {
    func failure(_ bytes: [UInt8]) -> JSONParser.Failure? {
      #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(bytes[...]) }
    }
    let fault = failure(Array("{\n\"a\":\nb}".utf8))
    #expect(fault?.offset == 7 && fault?.description == "expected a value at byte 7")
    #expect(failure([0x22, 0xFF, 0x22])?.reason == "a text that is not UTF-8")
    let deep = failure(Array(String(repeating: "[", count: 100_000).utf8))
    #expect(deep?.offset == 64 && deep?.reason.contains("64 levels") == true)
    #expect(failure(Array(#"{"b":{"a":1,"a":2}}"#.utf8))?.duplicateKey == "a")
    #expect(failure(Array(#"{"a":1,}"#.utf8))?.duplicateKey == nil)
  }

  @Test func `an offset counts from the start of the whole, not of the slice`() {
    let bytes = Array("xx[1,]".utf8)
    let fault = #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(bytes[2...]) }
    #expect(fault?.offset == 5)
  }

  @Test func `texts that Unicode holds canonically equal stay apart`() throws {
    let text = "{\"\u{E9}\":1,\"e\u{301}\":2}"
    let value = try parsed(text.utf8)
    #expect(value.members?.count == 2)
    #expect(value["\u{E9}"] == 1 && value["e\u{301}"] == 2)
    #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
    #expect(value.text == text)
  }

  @Test func `a value encodes into a record as it is`() throws {
    let value: JSONValue = [
      "n": nil, "b": true, "i": 3, "d": 0.5, "s": "x", "a": [1, [2]], "o": [:],
    ]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text = String(decoding: try encoder.encode(["k": value]), as: UTF8.self)
    #expect(text == #"{"k":{"a":[1,[2]],"b":true,"d":0.5,"i":3,"n":null,"o":{},"s":"x"}}"#)
  }

  @Test func `no bytes make the reader crash`() {
    var generator = SplitMix64(seed: 2)
    let seed = Array(#"{"a":[1,-2.5e3,"\u00e9\n",true,null],"b":{"c":{}}}"#.utf8)
    for _ in 0..<10_000 {
      var bytes = seed
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = UInt8.random(in: 0...255, using: &generator)
      }
      bytes.removeLast(Int.random(in: 0..<9, using: &generator))
      do throws(JSONParser.Failure) {
        let value = try parsed(bytes)
        #expect(!value.text.isEmpty)
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
  }
}

private func parsed(_ bytes: some Collection<UInt8>) throws(JSONParser.Failure) -> JSONValue {
  try JSONParser.parse(Array(bytes)[...])
}
