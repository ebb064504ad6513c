import ImageFiles
import Rewards
import Testing

@Suite struct JPEGRewardTests {
  private let flat = PixelBuffer(width: 64, height: 64, red: 90, green: 90, blue: 90)

  private var busy: PixelBuffer {
    var image = PixelBuffer(width: 64, height: 64)
    for index in image.pixels.indices { image.pixels[index] = UInt8(index * index % 251) }
    return image
  }

  @Test func `the score is the size in units of 500 kB, negative for compressibility`() async throws
  {
    let samples = [flat, busy].map { RewardSample(image: $0, prompt: "anything") }
    let small = try await JPEGReward(.compressibility, name: "jpeg_compressibility").score(samples)
      .total
    let large = try await JPEGReward(.incompressibility, name: "large").score(samples).total
    for (index, image) in [flat, busy].enumerated() {
      let size = Double(try JPEG.encode(image, quality: 95).count) / 500_000
      #expect(small[index] == -size)
      #expect(large[index] == size)
    }
    #expect(try #require(large[1]) > 3 * (try #require(large[0])))
  }

  @Test func `an image too large for the format fails with the reward's name`() async {
    let wide = RewardSample(image: PixelBuffer(width: 70_000, height: 1), prompt: "wide")
    let error = await #expect(throws: RewardError.self) {
      try await JPEGReward(.compressibility, name: "jpeg_compressibility").score([wide])
    }
    #expect(error?.description.hasPrefix("the reward jpeg_compressibility failed") == true)
  }
}
