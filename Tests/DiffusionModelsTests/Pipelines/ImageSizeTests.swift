import DiffusionModels
import Testing

@Suite struct ImageSizeTests {
  private func geometry(_ size: ImageSize?) throws(PipelineError) -> ImageGeometry {
    var transformer = SD3TransformerConfiguration()
    transformer.sampleSize = 128
    transformer.posEmbedMaxSize = 384
    var autoencoder = AutoencoderKLConfiguration()
    autoencoder.blockOutChannels = [128, 256, 512, 512]
    return try ImageGeometry(size, transformer, autoencoder, path: "sd3.5")
  }

  @Test func `the default image size is the transformer's`() throws {
    let found = try geometry(nil)
    #expect(found.image == ImageSize(height: 1024, width: 1024))
    #expect(found.latentHeight == 128 && found.latentWidth == 128)
    #expect(found.imageTokens == 4096)
  }

  @Test func `a rectangular size has rectangular latents and tokens`() throws {
    let found = try geometry(ImageSize(height: 512, width: 768))
    #expect(found.latentHeight == 64 && found.latentWidth == 96)
    #expect(found.imageTokens == 32 * 48)
  }

  @Test func `more patches than a schedule takes are refused`() throws {
    func geometry(_ side: Int) throws -> ImageGeometry {
      try ImageGeometry(
        ImageSize(height: side, width: side), defaultSide: 64, factor: 8, patch: 2, path: "flux")
    }
    #expect(try geometry(4096).imageTokens == 65_536)
    let error = #expect(throws: PipelineError.self) { try geometry(4112) }
    #expect(
      error?.description.contains("4096 x 4096 is the largest square") == true,
      "\(String(describing: error))")
    // A product that does not fit is no crash.
    #expect(throws: PipelineError.self) { try geometry(1 << 40) }
  }

  @Test(arguments: [
    (ImageSize(height: 500, width: 512), ["height 500", "16", "496 and 512"]),
    (ImageSize(height: 512, width: 8), ["width 8", "16 is"]),
    (ImageSize(height: 512, width: 6160), ["width 6160", "6144", "pos_embed_max_size 384"]),
  ])
  func `an impossible size is refused with the nearest possible ones`(
    size: ImageSize, words: [String]
  ) throws {
    let error = #expect(throws: PipelineError.self) { try geometry(size) }
    for word in words { #expect(error?.description.contains(word) == true, "\(word)") }
  }
}
