import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct NetworkParityTests {
  @Test(arguments: ["transformer-sd3", "transformer-sd35"])
  func `the transformer and its gradients equal diffusers'`(name: String) throws {
    try checkTransformer(name, adapted: false)
  }

  @Test(arguments: ["transformer-sd3", "transformer-sd35"])
  func `the transformer's adapters equal peft's, with their gradients`(name: String) throws {
    try checkTransformer(name, adapted: true)
  }

  private func checkTransformer(_ name: String, adapted: Bool) throws {
    let given = try FixtureCase(
      name, SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model", adapted: adapted)
    let model = try SD3Transformer2DModel(given.configuration, given.store.root)
    try given.store.finish()
    let latents = try given.leaf("latents")
    let rows = try given.leaf("rows")
    let pooled = try given.leaf("pooled")
    let embeddings = SD3Conditioning(
      rows: rows, pooled: pooled, zeroRowCount: Int(try given["zero_rows"].item()))
    let velocity = model(latents, timestep: try given["timestep"], embeddings: embeddings)
    try given.check(
      ["velocity": velocity], leaves: ["latents": latents, "rows": rows, "pooled": pooled],
      prefix: adapted ? "lora." : "")
  }

  @Test(arguments: ["autoencoder", "autoencoder-sd3"])
  func `the autoencoder and its gradients equal diffusers'`(name: String) throws {
    let given = try FixtureCase(
      name, AutoencoderKLConfiguration.self, weights: "diffusion_pytorch_model")
    let model = try AutoencoderKL(given.configuration, given.store.root)
    try given.store.finish()
    let images = try given.leaf("images")
    let latents = try given.leaf("latents")
    let encoded = model.encode(images)
    let outputs = [
      "mean": encoded.mean, "log_variance": encoded.logVariance,
      "decoded": model.decode(latents),
    ]
    try given.check(outputs, leaves: ["images": images, "latents": latents])
  }

  @Test(arguments: ["text-encoder", "text-encoder-gelu"])
  func `the text encoder and its gradients equal transformers'`(name: String) throws {
    let given = try FixtureCase(name, CLIPTextConfiguration.self, weights: "model")
    let model = try CLIPTextModelWithProjection(given.configuration, given.store.root)
    try given.store.finish()
    let output = model(ids(try given["prompts"]))
    try given.check(["penultimate": output.penultimate, "pooled": output.pooled])
  }

  @Test(arguments: ["text-encoder", "text-encoder-gelu"])
  func `the text encoder's adapters equal peft's, with their gradients`(name: String) throws {
    let given = try FixtureCase(
      name, CLIPTextConfiguration.self, weights: "model", adapted: true)
    let model = try CLIPTextModelWithProjection(given.configuration, given.store.root)
    try given.store.finish()
    let output = model(ids(try given["prompts"]))
    try given.check(
      ["penultimate": output.penultimate, "pooled": output.pooled], prefix: "lora.")
  }

  private func ids(_ prompts: Tensor) -> [[Int]] {
    (0..<prompts.shape[0]).map { prompts.selected(dim: 0, index: $0).ints() }
  }

  @Test func `the autoencoder's tiles of large images equal diffusers'`() throws {
    let given = try FixtureCase(
      "autoencoder-sd3", AutoencoderKLConfiguration.self, weights: "diffusion_pytorch_model")
    let model = try AutoencoderKL(given.configuration, given.store.root)
    let (images, latents) = (try given["tiled.images"], try given["tiled.latents"])
    let tile = TileSize(latentSide: 4)
    let (encoded, decoded) = withoutGradient {
      (model.encode(images, tile: tile), model.decode(latents, tile: tile))
    }
    for (name, found) in [
      ("mean", encoded.mean), ("log_variance", encoded.logVariance), ("decoded", decoded),
    ] {
      #expect(relativeError(found, try given["tiled.\(name)"]) <= parityTolerance, "\(name)")
    }
    let whole = withoutGradient { model.decode(latents) }
    #expect(relativeError(whole, decoded) > 0.01, "tiling must change the result")
    let small = latents.narrowed(dim: 2, start: 0, length: 4).narrowed(dim: 3, start: 0, length: 4)
    withoutGradient {
      #expect(
        largestDifference(model.decode(small, tile: tile), model.decode(small)) == 0,
        "latents of one tile are not tiled")
    }
  }

  @Test(arguments: ["autoencoder", "autoencoder-sd3"])
  func `in bfloat16 the autoencoder stays close`(name: String) throws {
    let given = try FixtureCase(
      name, AutoencoderKLConfiguration.self, weights: "diffusion_pytorch_model")
    let store = ParameterStore(
      .checkpoint(
        try WeightsFile.open(
          folder: fixture("models/\(name)"), baseName: "diffusion_pytorch_model")),
      dtype: .bfloat16)
    let model = try AutoencoderKL(given.configuration, store.root)
    let (images, latents) = (try given["images"], try given["latents"])
    let (mean, decoded) = withoutGradient {
      (model.encode(images.to(.bfloat16)).mean, model.decode(latents.to(.bfloat16)))
    }
    // 8 bits of mantissa: 0.4 % per rounding, over about ten layers.
    #expect(relativeError(mean.to(.float32), try given["mean"]) < 0.05)
    #expect(relativeError(decoded.to(.float32), try given["decoded"]) < 0.05)
  }

  @Test func `a count of zero rows equals explicit zero rows`() throws {
    let given = try FixtureCase(
      "transformer-sd35", SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model")
    let model = try SD3Transformer2DModel(given.configuration, given.store.root)
    let rows = try given["rows"]
    let zeros = Tensor.zeros([rows.shape[0], 9, rows.shape[2]])
    let pooled = try given["pooled"]
    let counted = SD3Conditioning(rows: rows, pooled: pooled, zeroRowCount: 9)
    let written = SD3Conditioning(
      rows: Tensor.cat([rows, zeros], dim: 1), pooled: pooled, zeroRowCount: 0)
    let (latents, timestep) = (try given["latents"], try given["timestep"])
    let error = withoutGradient {
      relativeError(
        model(latents, timestep: timestep, embeddings: counted),
        model(latents, timestep: timestep, embeddings: written))
    }
    #expect(error < 1e-5)
  }

  @Test func `a sample is independent of the others in its batch`() throws {
    let given = try FixtureCase(
      "transformer-sd35", SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model")
    let model = try SD3Transformer2DModel(given.configuration, given.store.root)
    let embeddings = SD3Conditioning(
      rows: try given["rows"], pooled: try given["pooled"], zeroRowCount: 3)
    let (latents, timestep) = (try given["latents"], try given["timestep"])
    let error = withoutGradient {
      let index = Tensor([2], shape: [1])
      return relativeError(
        model(
          latents.indexSelect(dim: 0, index), timestep: timestep.indexSelect(dim: 0, index),
          embeddings: embeddings.selecting([2])),
        model(latents, timestep: timestep, embeddings: embeddings).indexSelect(dim: 0, index))
    }
    #expect(error < 1e-5)
  }

  @Test func `in bfloat16 zero rows are explicit, and the velocity stays close`() throws {
    let folder = fixture("models/transformer-sd35")
    let given = try FixtureCase(
      "transformer-sd35", SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model")
    let store = ParameterStore(
      .checkpoint(try WeightsFile.open(folder: folder, baseName: "diffusion_pytorch_model")),
      dtype: .bfloat16)
    let model = try SD3Transformer2DModel(given.configuration, store.root)
    let embeddings = SD3Conditioning(
      rows: try given["rows"].to(.bfloat16), pooled: try given["pooled"].to(.bfloat16),
      zeroRowCount: Int(try given["zero_rows"].item()))
    let velocity = try withoutGradient {
      model(
        try given["latents"].to(.bfloat16), timestep: try given["timestep"], embeddings: embeddings)
    }
    // 8 bits of mantissa: 0.4 % per rounding, over two blocks.
    #expect(relativeError(velocity.to(.float32), try given["velocity"]) < 0.05)
  }
}
