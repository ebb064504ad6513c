package import ImageFiles

/// Judges edited images against their source: what was to change has changed, and all else has
/// stayed.
///
/// The objects of both images are found by ``SceneVerifier``. As for a prompt, an exact image shows
/// the wanted objects, all of them clear, nothing else, and almost no clutter. Where an object was
/// that has gone, there is background.
package struct EditJudge {
  /// The largest distance of an object that has stayed, in pixels along each axis.
  static let drift: Float = 2
  /// The largest change of an object's radius, as a share.
  static let growth: Float = 0.2
  /// The smallest distance of a move, in pixels.
  static let shortestMove: Float = 4
  /// Pixels at this level or above, away from all objects, are the trace of an object that has
  /// gone.
  static let trace: UInt8 = 45
  /// The largest number of such pixels in an exact image.
  static let traceLimit = 4

  private let wanted: [Wanted]
  /// Where an object was that goes or moves.
  private let vacated: BoundingBox?
  /// The credit of the source itself, of an edit that changes nothing.
  private let unchanged: Float

  /// - Returns: nil if the edit cannot be made in the source: the object that it names is not
  ///   there or has the color already, or one to add is there already.
  package init?(_ edit: SceneEdit, source: PixelBuffer) {
    let findings = SceneVerifier.findings(in: source)
    guard let wanted = Self.wanted(edit, in: findings) else { return nil }
    self.wanted = wanted
    let own = findings.objects.first { $0.shape == edit.shape }
    vacated = [.remove, .move].contains(edit.kind) ? own?.box : nil
    unchanged = Self.credit(findings, wanted)
  }

  /// Strict and partial credit.
  ///
  /// The partial credit of an image that is not exact is its gain over the source, as a share of
  /// the largest possible gain: an image that is no nearer to what was asked than the source has
  /// none.
  package func score(_ image: PixelBuffer) -> SceneScore {
    let findings = SceneVerifier.findings(in: image)
    if isExact(findings), traces(in: image, findings) <= Self.traceLimit {
      return SceneScore(strict: true, partial: 1)
    }
    let gain = (Self.credit(findings, wanted) - unchanged) / max(1 - unchanged, 0.05)
    return SceneScore(
      strict: false, partial: Double(SceneJudge.nearMiss * min(max(gain, 0), 1)))
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
    if case .color(let shape, let color) = edit,
      source.objects.allSatisfy({ $0.shape != shape || $0.color == color })
    {
      return nil
    }
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

  private func isExact(_ findings: SceneVerifier.Findings) -> Bool {
    let objects = findings.objects
    guard objects.count == wanted.count, findings.clutter <= SceneJudge.clutterLimit,
      objects.allSatisfy({ $0.isShapeClear && $0.isColorClear })
    else { return false }
    return Self.best(wanted, objects) { wanted, object in
      object.shape == wanted.requirement.shape && object.color == wanted.requirement.color
        && wanted.isPlaced(object) ? 1 : 0
    } == 1
  }

  /// Pixels of the vacated place that are not dark and belong to no object, its soft edge included.
  private func traces(in image: PixelBuffer, _ findings: SceneVerifier.Findings) -> Int {
    guard let vacated else { return 0 }
    func contains(_ box: BoundingBox, _ x: Int, _ y: Int, margin: Float) -> Bool {
      (Float(x) + 0.5 - box.centerX).magnitude <= box.halfWidth + margin
        && (Float(y) + 0.5 - box.centerY).magnitude <= box.halfHeight + margin
    }
    var count = 0
    for y in 0..<image.height {
      for x in 0..<image.width where contains(vacated, x, y, margin: 0) {
        let offset = (y * image.width + x) * 3
        let level = image.pixels[offset..<(offset + 3)].max() ?? 0
        let isOwned = findings.objects.contains { contains($0.box, x, y, margin: 2) }
        if level >= Self.trace, !isOwned { count += 1 }
      }
    }
    return count
  }

  /// Credit of an image, 0...1: as for a prompt, each object's credit times that
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
