import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch

/// The committed model compared with diffusers' pipeline of the same folder and noise.
///
/// After a change of the model, the expected values are written by `python
/// Tools/fixtures/pipeline.py --model Models/shapes --output Tests/Fixtures/shapes`.
@Suite(.cpuKernels) struct EmbeddedModelTests {
  private struct Expected: Decodable {
    let prompts: [String]
    let steps: Int
    let guidance: Double
  }

  @Test(arguments: ["plain", "guided"])
  func `the image of the embedded model equals diffusers'`(name: String) throws {
    let folder = fixture("shapes")
    let expected = try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: URL(fileURLWithPath: "\(folder)/expected.json")))
    let tensors = try WeightsFile(path: "\(folder)/expected.safetensors").tensors
    let pipeline = try StableDiffusion3Pipeline(folder: "\(repositoryFolder())/Models/shapes")
    let final = pipeline.sample(
      from: try #require(tensors["latents"]), prompts: expected.prompts,
      guidanceScale: name == "guided" ? expected.guidance : 1, stepCount: expected.steps)
    #expect(largestDifference(final, try #require(tensors["\(name).latents"])) < 1e-3)
    let images = try #require(tensors["\(name).images"]).to(.float32)
    #expect(largestDifference(pipeline.decode(final).to(.float32), images) <= 2)
  }
}
