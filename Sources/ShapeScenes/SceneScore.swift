/// How well an image satisfies a prompt.
package struct SceneScore: Hashable, Sendable {
  /// Everything is as asked, and nothing else is there.
  package var strict: Bool
  /// 1 when strict; otherwise at most ``SceneJudge/nearMiss``, growing with what is right. 0...1.
  package var partial: Double

  package init(strict: Bool, partial: Double) {
    self.strict = strict
    self.partial = partial
  }
}
