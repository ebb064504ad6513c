import Foundations
import ImageFiles
import ShapeScenes
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct SceneVerifierTruthTests {
  private let heldOut = ShapeGrammar.prompts().heldOut

  /// Share of strict scores over the held-out prompts of a tag and four seeds.
  private func accuracy(
    _ tag: ScenePrompt.Tag, _ change: (PixelBuffer, inout SplitMix64) -> PixelBuffer
  ) -> Double {
    var right = 0
    var count = 0
    for seed: UInt64 in 0..<4 {
      var generator = SplitMix64(seed: 1000 + seed)
      for prompt in heldOut where prompt.tag == tag {
        let image = change(SceneRenderer.render(prompt, using: &generator), &generator)
        right += SceneVerifier.score(image, prompt).strict ? 1 : 0
        count += 1
      }
    }
    return Double(right) / Double(count)
  }

  @Test(arguments: ScenePrompt.Tag.allCases)
  func `nearly every drawn image satisfies its own prompt`(tag: ScenePrompt.Tag) {
    let share = accuracy(tag) { image, _ in image }
    print("strict on drawn truth, \(tag.rawValue): \(share)")
    #expect(share >= 0.995)
  }

  @Test(arguments: ScenePrompt.Tag.allCases)
  func `blur and noise like an autoencoder's change little`(tag: ScenePrompt.Tag) {
    let share = accuracy(tag) { image, generator in
      image.blurred(0.7).noisy(10, using: &generator)
    }
    print("strict on blurred and noisy truth, \(tag.rawValue): \(share)")
    #expect(share >= 0.98)
  }

  @Test func `against other prompts the verifier agrees with the scene itself`() {
    var generator = SplitMix64(seed: 77)
    let scenes = heldOut.map { SceneRenderer.scene(for: $0, using: &generator) }
    let findings = scenes.map { SceneVerifier.findings(in: SceneRenderer.draw($0)) }
    var satisfied = 0
    for (index, scene) in scenes.enumerated() {
      for step in 1...60 {
        let prompt = heldOut[(index + step * 7) % heldOut.count]
        guard let truth = isTrue(prompt, of: scene) else { continue }
        satisfied += truth ? 1 : 0
        #expect(SceneJudge.score(findings[index], prompt).strict == truth, "\(prompt.prompt)")
      }
    }
    // Some pairs have equal meanings, so both answers occur.
    #expect(satisfied > 50)
  }

  @Test func `a mismatched pair is never strict and has far less credit than a matched one`() {
    var generator = SplitMix64(seed: 78)
    var total = 0.0
    var count = 0
    for (index, prompt) in heldOut.enumerated() {
      let scene = SceneRenderer.scene(for: prompt, using: &generator)
      let other = heldOut[(index + 13) % heldOut.count]
      guard isTrue(other, of: scene) == false else { continue }
      let score = SceneVerifier.score(SceneRenderer.draw(scene), other)
      #expect(!score.strict)
      #expect(score.partial <= Double(SceneJudge.nearMiss))
      total += score.partial
      count += 1
    }
    #expect(count > 450)
    #expect(total / Double(count) < 0.3)
  }

  @Test func `an image is judged within a tenth of a millisecond`() {
    var generator = SplitMix64(seed: 79)
    let images = heldOut.map { SceneRenderer.render($0, using: &generator) }
    // Processor time of this thread, and the fastest of several rounds, since other work may share
    // the machine.
    let perImage =
      (0..<8).map { _ in
        let start = threadSeconds()
        for (image, prompt) in zip(images, heldOut) {
          precondition(SceneVerifier.score(image, prompt).partial >= 0)
        }
        return (threadSeconds() - start) / Double(images.count)
      }.min() ?? .infinity
    print("verifier: \(perImage * 1e6) microseconds per image")
    #expect(perImage < 100e-6)
  }

  /// Processor time this thread has used, in seconds.
  private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
