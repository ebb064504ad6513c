import Foundation
import ImageFiles
import ShapeScenes
import TestSupport
import Testing

@Suite struct PromptFileTests {
  private func read(_ text: String) throws -> [ScenePrompt] {
    try withTemporaryFolder { folder in
      let path = folder + "/prompts.jsonl"
      try text.write(toFile: path, atomically: false, encoding: .utf8)
      return try PromptFile.read(path)
    }
  }

  private func fault(_ text: String) -> (line: Int, reason: String)? {
    let error = #expect(throws: PromptFileError.self) { try read(text) }
    guard case .malformed(_, let line, let fault) = error else { return nil }
    return (line, fault.reason)
  }

  @Test func `lines in GenEval's format are read`() throws {
    let prompts = try read(
      """
      {"tag": "counting", "include": [{"class": "cross", "count": 2}], \
      "exclude": [{"class": "cross", "count": 3}], "prompt": "a photo of two crosses"}

      {"tag": "position", "include": [{"class": "ring", "count": 1}, {"class": "circle", \
      "count": 1, "position": ["left of", 0]}], "prompt": "a photo of a circle left of a ring"}
      {"tag": "color_attr", "include": [{"class": "square", "count": 1, "color": "cyan"}, \
      {"class": "ring", "count": 1, "color": "white"}], "prompt": "a cyan square and a white ring"}
      """)
    #expect(
      prompts == [
        ScenePrompt(
          tag: .counting, include: [.init(.cross, count: 2)], exclude: [.init(.cross, count: 3)],
          prompt: "a photo of two crosses"),
        ScenePrompt(
          tag: .position,
          include: [.init(.ring), .init(.circle, position: .init(.leftOf, 0))],
          prompt: "a photo of a circle left of a ring"),
        ScenePrompt(
          tag: .colorAttribution,
          include: [.init(.square, color: .cyan), .init(.ring, color: .white)],
          prompt: "a cyan square and a white ring"),
      ])
  }

  @Test func `a written file reads back the same`() throws {
    let prompts = Array(ShapeGrammar.prompts().heldOut.prefix(60))
    try withTemporaryFolder { folder in
      try PromptFile.write(prompts, to: folder + "/a.jsonl")
      #expect(try PromptFile.read(folder + "/a.jsonl") == prompts)
    }
  }

  @Test func `a fault is reported with its line`() {
    let good = #"{"tag":"colors","include":[{"class":"ring","count":1}],"prompt":"a ring"}"#
    #expect(fault(good + "\n\n{").map(\.line) == 3)
    let missing = fault(good + "\n" + #"{"tag":"colors","prompt":"a ring"}"#)
    #expect(missing?.line == 2)
    #expect(missing?.reason == "the key \"include\" is missing")
  }

  @Test func `classes, colors and tags of other tasks are refused`() {
    let bench = fault(
      #"{"tag":"colors","include":[{"class":"bench","count":1}],"prompt":"a bench"}"#)
    #expect(bench?.reason.contains("bench") == true)
    let pink = fault(
      #"{"tag":"colors","include":[{"class":"ring","count":1,"color":"pink"}],"prompt":"x"}"#)
    #expect(pink?.reason.contains("pink") == true)
    let tag = fault(#"{"tag":"texture","include":[{"class":"ring","count":1}],"prompt":"x"}"#)
    #expect(tag?.reason.contains("texture") == true)
  }

  @Test func `prompts that no image can satisfy are refused`() {
    #expect(fault(#"{"tag":"colors","include":[],"prompt":"x"}"#)?.reason == "include is empty")
    #expect(
      fault(#"{"tag":"counting","include":[{"class":"ring","count":0}],"prompt":"x"}"#)?.reason
        == "include[0].count is below 1")
    #expect(
      fault(#"{"tag":"counting","include":[{"class":"ring","count":5}],"prompt":"x"}"#)?.reason
        == "5 objects, more than the 4 that fit")
    let ring = #"{"class":"ring","count":9223372036854775807}"#
    #expect(
      fault(#"{"tag":"counting","include":[\#(ring),\#(ring)],"prompt":"x"}"#)?.reason
        == "9223372036854775807 objects, more than the 4 that fit")
    #expect(
      fault(
        #"{"tag":"position","include":[{"class":"ring","count":1,"position":["above",0]}],"#
          + #""prompt":"x"}"#)?.reason
        == "include[0].position names requirement 0, which is not one before it")
    let left = #"{"class":"ring","count":1,"position":["left of",1]}"#
    let other = #"{"class":"circle","count":1,"position":["left of",0]}"#
    #expect(
      fault(#"{"tag":"position","include":[\#(left),\#(other)],"prompt":"x"}"#)?.reason
        == "include[0].position names requirement 1, which is not one before it")
    let one = #"{"class":"ring","count":1}"#
    #expect(
      fault(#"{"tag":"counting","include":[\#(one)],"exclude":[\#(one)],"prompt":"x"}"#)?.reason
        == "exclude[0] allows fewer objects than include has")
    // Four in a row are wider than the image.
    let row = (0..<4).map { index in
      index == 0
        ? one : #"{"class":"circle","count":1,"position":["left of",\#(index - 1)]}"#
    }.joined(separator: ",")
    #expect(
      fault(#"{"tag":"position","include":[\#(row)],"prompt":"x"}"#)?.reason
        == "no place was found for the objects of include")
  }

  @Test func `an empty and a missing file are errors that name the path`() throws {
    #expect(throws: PromptFileError.self) { try read("\n \n") }
    let error = #expect(throws: PromptFileError.self) {
      try PromptFile.read("no/such/prompts.jsonl")
    }
    #expect(error?.description.hasPrefix("no/such/prompts.jsonl: cannot be read") == true)
  }
}
