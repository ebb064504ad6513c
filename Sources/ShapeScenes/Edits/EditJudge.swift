package import ImageFiles

/// Judges an edited image against its source: what was to change has changed, and all else has
/// stayed.
///
/// The objects of both images are found by ``SceneVerifier``. As for a prompt, an exact image shows
/// the wanted objects, all of them clear, nothing else, and almost no clutter.
package enum EditJudge {
  /// The largest distance of an object that has stayed, in pixels along each axis.
  static let drift: Float = 2
  /// The largest change of an object's radius, as a share.
  static let growth: Float = 0.2
  /// The smallest distance of a move, in pixels.
  static let shortestMove: Float = 4

  /// Strict and partial credit; nil if the edit cannot be made in the source: an object that it
  /// names is not there, or is there already.
  package static func score(
    _ image: PixelBuffer, source: PixelBuffer, _ edit: SceneEdit
  ) -> SceneScore? {
    guard let wanted = wanted(edit, in: SceneVerifier.findings(in: source)) else { return nil }
    let findings = SceneVerifier.findings(in: image)
    if isExact(findings, wanted) { return SceneScore(strict: true, partial: 1) }
    return SceneScore(
      strict: false, partial: Double(SceneJudge.nearMiss * credit(findings, wanted)))
  }

  /// An object that the image must show.
  private struct Wanted {
    var requirement: ScenePrompt.Requirement
    /// Where it was in the source, and its radius; nil for a new object, which may be anywhere.
    var origin: (box: BoundingBox, radius: Float)?
    /// Where it moves; nil if it stays.
    var direction: SceneEdit.Direction?

    init(
      _ shape: SceneShape, _ color: SceneColor, from object: FoundObject?,
      to direction: SceneEdit.Direction? = nil
    ) {
      requirement = ScenePrompt.Requirement(shape, color: color)
      origin = object.map { ($0.box, $0.radius) }
      self.direction = direction
    }

    /// The distance of an object along the direction and across it, in pixels; for an object that
    /// stays, along both axes.
    func offset(of object: FoundObject) -> (along: Float, across: Float) {
      guard let origin else { return (0, 0) }
      let x = object.box.centerX - origin.box.centerX
      let y = object.box.centerY - origin.box.centerY
      guard let unit = direction?.unit else { return (max(x.magnitude, y.magnitude), 0) }
      return (x * unit.x + y * unit.y, (x * unit.y + y * unit.x).magnitude)
    }

    /// Whether an object is where it must be, at its size.
    func isPlaced(_ object: FoundObject) -> Bool {
      guard let origin else { return true }
      let (along, across) = offset(of: object)
      let isThere =
        direction == nil ? along <= drift : along >= shortestMove && across <= drift
      return isThere && (object.radius / origin.radius - 1).magnitude <= growth
    }

    /// 1 where the object must be, falling to 0 over six pixels.
    func placeLikeness(_ object: FoundObject) -> Float {
      guard origin != nil else { return 1 }
      let (along, across) = offset(of: object)
      let missing =
        direction == nil ? along - drift : max(shortestMove - along, across - drift)
      return min(max(1 - missing / 6, 0), 1)
    }
  }

  private static func wanted(
    _ edit: SceneEdit, in source: SceneVerifier.Findings
  ) -> [Wanted]? {
    let isThere = source.objects.contains { $0.shape == edit.shape }
    guard isThere == (edit.kind != .add) else { return nil }
    var wanted: [Wanted] = []
    for object in source.objects {
      guard object.shape == edit.shape else {
        wanted.append(Wanted(object.shape, object.color, from: object))
        continue
      }
      switch edit {
      case .color(_, let color): wanted.append(Wanted(object.shape, color, from: object))
      case .move(_, let direction):
        wanted.append(Wanted(object.shape, object.color, from: object, to: direction))
      case .remove, .add: break
      }
    }
    if case .add(let shape, let color) = edit { wanted.append(Wanted(shape, color, from: nil)) }
    return wanted
  }

  private static func isExact(_ findings: SceneVerifier.Findings, _ wanted: [Wanted]) -> Bool {
    let objects = findings.objects
    guard objects.count == wanted.count, findings.clutter <= SceneJudge.clutterLimit,
      objects.allSatisfy({ $0.isShapeClear && $0.isColorClear })
    else { return false }
    return best(wanted, objects) { wanted, object in
      object.shape == wanted.requirement.shape && object.color == wanted.requirement.color
        && wanted.isPlaced(object) ? 1 : 0
    } == 1
  }

  /// Credit of an image that is not exact, 0...1: as for a prompt, each object's credit times that
  /// of its place.
  private static func credit(_ findings: SceneVerifier.Findings, _ wanted: [Wanted]) -> Float {
    let objects = Array(findings.objects.prefix(SceneJudge.compared))
    let best = best(wanted, objects) { wanted, object in
      SceneJudge.credit(object, wanted.requirement)
        * (0.3 + 0.7 * wanted.placeLikeness(object))
    }
    return SceneJudge.reduced(best, findings, wanted: wanted.count)
  }

  /// The largest mean credit of a one-to-one matching.
  private static func best(
    _ wanted: [Wanted], _ objects: [FoundObject], _ credit: (Wanted, FoundObject) -> Float
  ) -> Float {
    SceneMatching(wanted.map(\.requirement)).best(
      wanted.map { wanted in objects.map { credit(wanted, $0) } }, objects: objects.count
    ) { _, _, _ in 0 }
  }
}
