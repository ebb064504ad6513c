import Foundation
import Foundations
import ImageFiles
import ShapeScenes
import TestSupport
import Testing

@Suite struct EditTests {
  private static let files = EditGrammar.files()
  private let training = files.training
  private let heldOut = files.heldOut
  private let folder = repositoryFolder() + "/Prompts/shapes-edit"

  @Test func `the committed prompts and source images are byte for byte those of the grammar`()
    throws
  {
    try withTemporaryFolder { written in
      try EditGrammar.write(to: written)
      let names = try FileTree.names(in: "\(written)/sources").map { "sources/\($0)" }
      #expect(names.count == 375)
      for name in names + ["train.jsonl", "held-out.jsonl"] {
        let committed = try AtomicFile.read("\(folder)/\(name)")
        #expect(
          try AtomicFile.read("\(written)/\(name)") == committed,
          "write Prompts/shapes-edit anew with EditGrammar.write(to:)")
      }
      #expect(try FileTree.names(in: "\(folder)/sources").count == names.count)
    }
  }

  @Test func `every kind has as many prompts, and no source is in both files`() {
    for kind in SceneEdit.Kind.allCases {
      #expect(training.prompts.count { $0.tag == kind } == 500)
      #expect(heldOut.prompts.count { $0.tag == kind } == 125)
    }
    let pixels = Set(training.sources.map(\.image))
    #expect(pixels.count == 250)
    #expect(pixels.isDisjoint(with: heldOut.sources.map(\.image)))
    #expect(Set(heldOut.prompts.map(\.image)) == Set(heldOut.sources.map(\.name)))
  }
}
