import Testing
import Torch
import TorchNN

@Suite struct ExponentialMovingAverageTests {
  private func parameter(_ value: Float) -> ParameterStore.Named {
    let tensor = Tensor([value], shape: [1])
    tensor.requiresGradient = true
    return ("p", tensor)
  }

  private func set(_ parameter: ParameterStore.Named, _ value: Double) {
    withoutGradient { parameter.tensor.fill_(value) }
  }

  @Test func `the decay grows with the steps up to its limit`() {
    let average = ExponentialMovingAverage([], limit: 0.9)
    #expect(average.decay(afterStep: 0) == 0.1)
    #expect(average.decay(afterStep: 8) == 0.5)
    #expect(average.decay(afterStep: 79) == 80.0 / 89)
    #expect(average.decay(afterStep: 1000) == 0.9)
  }

  @Test(arguments: [1, 3])
  func `the average follows its formula at every interval`(interval: Int) {
    let parameter = parameter(1)
    let average = ExponentialMovingAverage([parameter], limit: 0.6, interval: interval)
    var expected = 1.0
    for step in 0..<20 {
      let value = Double(step * step % 7)
      set(parameter, value)
      average.update()
      if (step + 1) % interval == 0 {
        let decay = min(0.6, Double(1 + step) / Double(10 + step))
        expected = decay * expected + (1 - decay) * value
      }
      #expect(abs(average.weights[0].tensor.item() - expected) < 1e-6)
    }
    #expect(average.stepCount == 20)
  }

  @Test func `the averages are in use only inside withAverages, also after a thrown error`() {
    let parameter = parameter(1)
    let average = ExponentialMovingAverage([parameter], limit: 0.9)
    set(parameter, 1.0 / 3)
    let before = parameter.tensor.floats()
    #expect(average.withAverages { parameter.tensor.floats() } == [1])
    #expect(parameter.tensor.floats() == before)
    #expect(throws: ParameterError.unmatchedTargets([])) {
      try average.withAverages { () throws(ParameterError) in
        throw ParameterError.unmatchedTargets([])
      }
    }
    #expect(parameter.tensor.floats() == before)
    #expect(parameter.tensor.requiresGradient)
  }

  @Test func `a restored average continues where it was`() throws {
    let parameter = parameter(0)
    let first = ExponentialMovingAverage([parameter], limit: 0.9, interval: 2)
    set(parameter, 1)
    for _ in 0..<5 { first.update() }
    let saved = Dictionary(
      uniqueKeysWithValues: first.state.map { ($0.name, $0.tensor.clone()) })
    let second = ExponentialMovingAverage([parameter], limit: 0.9, interval: 2)
    try second.restore(saved)
    for average in [first, second] { average.update() }
    #expect(second.stepCount == 6)
    #expect(first.weights[0].tensor.floats() == second.weights[0].tensor.floats())
    #expect(throws: ParameterError.state(key: "steps", problem: "it is missing")) {
      try second.restore([:])
    }
  }

  @Test func `an average of half-precision parameters is float32`() {
    let parameter: ParameterStore.Named = ("p", Tensor.ones([1], dtype: .bfloat16))
    let average = ExponentialMovingAverage([parameter], limit: 0.999)
    #expect(average.weights[0].tensor.dtype == .float32)
    average.update()
    #expect(average.withAverages { parameter.tensor.dtype } == .bfloat16)
  }
}
