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
  private let validation = files.validation
  private let folder = repositoryFolder() + "/Prompts/shapes-edit"

  @Test func `the committed prompts and source images are byte for byte those of the grammar`()
    throws
  {
    try withTemporaryFolder { written in
      try EditGrammar.write(to: written)
      let names = try FileTree.names(in: "\(written)/sources").map { "sources/\($0)" }
      #expect(names.count == 500)
      for name in names + ["train.jsonl", "held-out.jsonl", "validation.jsonl"] {
        let committed = try AtomicFile.read("\(folder)/\(name)")
        #expect(
          try AtomicFile.read("\(written)/\(name)") == committed,
          "write Prompts/shapes-edit anew with EditGrammar.write(to:)")
      }
      #expect(try FileTree.names(in: "\(folder)/sources").count == names.count)
    }
  }

  @Test func `every kind has as many prompts, and no source is in two files`() {
    for kind in SceneEdit.Kind.allCases {
      #expect(training.prompts.count { $0.tag == kind } == 500)
      #expect(heldOut.prompts.count { $0.tag == kind } == 125)
      #expect(validation.prompts.count { $0.tag == kind } == 125)
    }
    let pixels = Set(training.sources.map(\.image))
    #expect(pixels.count == 250)
    #expect(pixels.isDisjoint(with: (heldOut.sources + validation.sources).map(\.image)))
    #expect(
      Set(heldOut.sources.map(\.image)).isDisjoint(with: validation.sources.map(\.image)))
    #expect(Set(heldOut.prompts.map(\.image)) == Set(heldOut.sources.map(\.name)))
  }

  @Test func `an edit made in its source is exact, the source itself never is`() throws {
    var generator = SplitMix64(seed: 7)
    for kind in SceneEdit.Kind.allCases {
      var exact = 0
      for prompt in training.prompts.filter({ $0.tag == kind }).prefix(200) {
        let (before, after) = EditLayout.scenes(for: prompt.edit, using: &generator)
        let (source, image) = (SceneRenderer.draw(before), SceneRenderer.draw(after))
        let judge = try #require(EditJudge(prompt.edit, source: source))
        let score = judge.score(image)
        #expect(score.strict == (score.partial == 1))
        exact += score.strict ? 1 : 0
        #expect(judge.score(source) == SceneScore(strict: false, partial: 0))
      }
      #expect(exact >= 199, "\(kind)")
    }
  }

  @Test func `every committed prompt can be judged in its source`() throws {
    for file in [training, heldOut, validation] {
      let sources = Dictionary(uniqueKeysWithValues: file.sources.map { ($0.name, $0.image) })
      for prompt in file.prompts {
        let source = try #require(sources[prompt.image])
        #expect(EditJudge(prompt.edit, source: source) != nil, "\(prompt)")
      }
    }
  }

  /// A red ring on the left and a blue square on the right.
  private let scene = Scene([
    SceneObject(.ring, .red, x: 8, y: 12, radius: 5),
    SceneObject(.square, .blue, x: 23, y: 20, radius: 5),
  ])

  private func score(_ edit: SceneEdit, _ change: (inout Scene) -> Void) -> SceneScore? {
    var after = scene
    change(&after)
    return EditJudge(edit, source: SceneRenderer.draw(scene))?.score(SceneRenderer.draw(after))
  }

  private func strict(_ edit: SceneEdit, _ change: (inout Scene) -> Void) throws -> Bool {
    let score = score(edit, change)
    return try #require(score).strict
  }

  @Test func `what was not asked to change must stay`() throws {
    let paint = SceneEdit.color(.ring, .green)
    #expect(try strict(paint) { $0.objects[0].color = .green })
    #expect(try !strict(paint) { $0.objects[0].color = .yellow })
    #expect(try !strict(paint) { $0.objects[1].color = .green })
    #expect(
      try !strict(paint) {
        $0.objects[0].color = .green
        $0.objects[1].color = .red
      })
    #expect(
      try !strict(paint) {
        $0.objects[0].color = .green
        $0.objects[1].centerX -= 4
      })
    #expect(
      try !strict(paint) {
        $0.objects[0].color = .green
        $0.objects[0].centerY += 5
      })
    #expect(
      try !strict(paint) {
        $0.objects[0].color = .green
        $0.objects[1].shape = .circle
      })
    #expect(try strict(.remove(.ring)) { $0.objects.remove(at: 0) })
    #expect(try !strict(.remove(.ring)) { $0.objects.remove(at: 1) })
    #expect(try !strict(.remove(.ring)) { $0.objects = [] })
  }

  @Test func `the only object can be removed, and an object cannot get its own color`() throws {
    let alone = SceneRenderer.draw(Scene([scene.objects[0]]))
    let judge = try #require(EditJudge(.remove(.ring), source: alone))
    #expect(judge.score(SceneRenderer.draw(Scene([]))) == SceneScore(strict: true, partial: 1))
    #expect(judge.score(alone) == SceneScore(strict: false, partial: 0))
    let other = judge.score(SceneRenderer.draw(Scene([scene.objects[1]])))
    #expect(!other.strict && other.partial < 0.05)
    #expect(score(.color(.ring, .red)) { _ in } == nil)
  }

  @Test func `a move has a direction and a least distance, an addition a place of its own`() throws
  {
    let down = SceneEdit.move(.ring, .down)
    #expect(try strict(down) { $0.objects[0].centerY += 8 })
    #expect(try !strict(down) { $0.objects[0].centerY += 2 })
    #expect(try !strict(down) { $0.objects[0].centerY -= 6 })
    #expect(
      try !strict(down) {
        $0.objects[0].centerY += 8
        $0.objects[0].centerX += 4
      })
    #expect(try !strict(down) { $0.objects[1].centerY += 6 })
    let add = SceneEdit.add(.triangle, .white)
    func added(_ color: SceneColor, x: Float = 24) -> SceneObject {
      SceneObject(.triangle, color, x: x, y: 7, radius: 5)
    }
    #expect(try strict(add) { $0.objects.append(added(.white)) })
    #expect(try !strict(add) { $0.objects.append(added(.red)) })
    #expect(
      try !strict(add) {
        $0.objects.append(added(.white))
        $0.objects.append(SceneObject(.cross, .white, x: 8, y: 25, radius: 5))
      })
    // A ring is there already, and there is no cross.
    #expect(score(.add(.ring, .white)) { _ in } == nil)
    #expect(score(.remove(.cross)) { _ in } == nil)
  }

  @Test func `credit grows with what is right, and changing nothing or destroying has none`() throws
  {
    let paint = SceneEdit.color(.ring, .green)
    func partial(_ change: (inout Scene) -> Void) throws -> Double {
      let score = score(paint, change)
      return try #require(score).partial
    }
    #expect(try partial { _ in } == 0)
    #expect(try partial { $0.objects.remove(at: 1) } == 0)
    #expect(try partial { $0.objects = [] } == 0)
    let wrong = try partial {
      $0.objects[0].color = .green
      $0.objects[1].centerX -= 6
    }
    let near = try partial {
      $0.objects[0].color = .green
      $0.objects[1].centerX -= 3.5
    }
    #expect(0 < wrong && wrong < near && near <= 0.8)
    // Half of a move has credit, and a move to the other side has none.
    let half = try #require(score(.move(.ring, .down)) { $0.objects[0].centerY += 3 })
    let back = try #require(score(.move(.ring, .down)) { $0.objects[0].centerY -= 3 })
    #expect(!half.strict && half.partial > 0.1 && back.partial == 0)
  }

  @Test func `the ghost of an object that has gone is seen`() throws {
    for edit in [SceneEdit.remove(.ring), .move(.ring, .down)] {
      let judge = try #require(EditJudge(edit, source: SceneRenderer.draw(scene)))
      var after = scene
      if edit.kind == .move { after.objects[0].centerY += 10 } else { after.objects.remove(at: 0) }
      #expect(judge.score(SceneRenderer.draw(after)).strict)
      var ghost = scene.objects[0]
      ghost.brightness = 0.28
      after.objects.insert(ghost, at: 0)
      #expect(!judge.score(SceneRenderer.draw(after)).strict, "\(edit)")
    }
  }

  @Test(arguments: [
    ("{\"tag\":\"color\",\"image\":\"a.png\",\"prompt\":\"p\"}", "\"edit\" is missing"),
    (
      "{\"tag\":\"move\",\"edit\":{\"kind\":\"remove\",\"class\":\"ring\"},\"image\":\"a.png\","
        + "\"prompt\":\"p\"}", "tag is move and edit.kind remove"
    ),
    (
      "{\"tag\":\"remove\",\"edit\":{\"kind\":\"remove\",\"class\":\"star\"},\"image\":\"a.png\","
        + "\"prompt\":\"p\"}", "edit.class: star is none of circle, square, triangle, cross, ring"
    ),
  ])
  func `a line of another task is an error with its key`(line: String, message: String) throws {
    let fault = #expect(throws: EditPrompt.Fault.self) { try EditPrompt(json: Data(line.utf8)) }
    #expect("\(try #require(fault))".contains(message))
  }
}
