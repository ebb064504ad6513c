import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct GradientNormTests {
  private func parameter(_ gradient: Tensor?) -> ParameterStore.Named {
    let tensor = Tensor.zeros(gradient?.shape ?? [2])
    tensor.requiresGradient = true
    tensor.gradient = gradient?.clone()
    return ("p", tensor)
  }

  @Test func `clipped gradients equal PyTorch's`() throws {
    let all = try WeightsFile(path: fixture("torchnn/clip.safetensors")).tensors
    let parameters = (0..<2).map { parameter(all["\($0).gradient"]) }
    let norm = clipGradientNorm(parameters + [parameter(nil)], limit: 1)
    #expect(abs(norm - (try #require(all["norm"])).item()) < 1e-6)
    for (index, parameter) in parameters.enumerated() {
      let expected = try #require(all["\(index).clipped"])
      #expect(relativeError(try #require(parameter.tensor.gradient), expected) < 1e-6)
    }
  }

  @Test func `gradients below the limit do not change`() {
    let one = parameter(Tensor([0.3, 0.4] as [Float], shape: [2]))
    #expect(abs(clipGradientNorm([one], limit: 1) - 0.5) < 1e-6)
    #expect(one.tensor.gradient?.floats() == [0.3, 0.4])
    #expect(clipGradientNorm([], limit: 1) == 0)
  }

  @Test(arguments: [Float.nan, .infinity])
  func `a norm that is not finite is returned and nothing is scaled`(value: Float) {
    let one = parameter(Tensor([value, 2], shape: [2]))
    #expect(!clipGradientNorm([one], limit: 1).isFinite)
    #expect(one.tensor.gradient?.floats()[1] == 2)
  }
}
