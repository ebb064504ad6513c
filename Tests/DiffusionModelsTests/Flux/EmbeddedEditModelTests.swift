import DiffusionModels
import Foundation
import ImageFiles
import TestSupport
import Testing
import Torch
import TorchNN

/// Edits of diffusers' FluxKontextPipeline with the embedded model, written by
/// `python Tools/fixtures/shapes_edit.py`.
private struct EditCases: Decodable {
  struct Line: Decodable {
    let prompt: String
    let image: String
    let tag: String
  }

  let size: Int
  let steps: Int
  let prompts: [Line]
}

@Suite struct EmbeddedEditModelTests {
  @Test func `the embedded editing model gives the images that diffusers gives`() throws {
    let folder = repositoryFolder()
    let cases = try JSONDecoder().decode(
      EditCases.self,
      from: Data(contentsOf: URL(filePath: fixture("shapes-edit/cases.json"))))
    #expect(Set(cases.prompts.map(\.tag)).count == 4)
    let expected = try WeightsFile(path: fixture("shapes-edit/expected.safetensors")).tensors
    let source = ModelSource(
      folder: "\(folder)/Models/shapes-edit",
      imageSize: ImageSize(height: cases.size, width: cases.size))
    let model = try source.load()
    #expect(model.className == "FluxKontextPipeline")
    let inputs = try cases.prompts.map { line in
      PromptInput(
        line.prompt,
        images: [try ImageReader.read("\(folder)/Prompts/shapes-edit/\(line.image)")])
    }
    let prompts = try FlowModelRegistry.family(of: source.folder).promptEncoder(of: source)
      .encode(inputs)
    let latents = model.sample(
      from: try #require(expected["initial"]), prompts: prompts,
      guidance: model.defaults.guidance(scale: 1), stepCount: cases.steps)
    #expect(relativeError(latents, try #require(expected["latents"])) < 1e-4)
    let images = model.decode(latents).to(.float32)
    let difference = (images - (try #require(expected["images"])).to(.float32)).abs()
    // A value halfway between two levels may be rounded either way.
    #expect(difference.amax(dims: [0, 1, 2, 3], keepDim: false).item() <= 1)
    #expect(difference.mean().item() < 0.01)
  }
}
