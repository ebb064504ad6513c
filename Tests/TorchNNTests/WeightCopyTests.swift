import Testing
import Torch
import TorchNN

@Suite struct WeightCopyTests {
  private func parameter(_ values: [Float]) -> ParameterStore.Named {
    let tensor = Tensor(values, shape: [values.count])
    tensor.requiresGradient = true
    return ("p", tensor)
  }

  private func set(_ parameter: ParameterStore.Named, _ value: Double) {
    withoutGradient { parameter.tensor.fill_(value) }
  }

  private func values(_ copy: WeightCopy) -> [Float] { copy.weights[0].tensor.floats() }

  @Test func `a copy keeps its values until it is blended, with a decay of 0 exactly`() {
    let parameter = parameter([1, -2])
    let copy = WeightCopy([parameter])
    set(parameter, 1.0 / 3)
    #expect(values(copy) == [1, -2])
    copy.blend(decay: 1)
    #expect(values(copy) == [1, -2])
    copy.blend(decay: 0.75)
    for (found, start) in zip(values(copy), [1.0, -2.0]) {
      #expect(abs(Double(found) - (0.75 * start + 0.25 / 3)) < 1e-6)
    }
    copy.blend(decay: 0)
    #expect(values(copy) == parameter.tensor.floats())
  }

  @Test func `the values are in use inside the body alone`() {
    let parameter = parameter([4])
    let copy = WeightCopy([parameter])
    set(parameter, 7)
    #expect(copy.inUse { parameter.tensor.floats() } == [4])
    #expect(throws: ParameterError.unmatchedTargets([])) {
      try copy.inUse { () throws(ParameterError) in throw ParameterError.unmatchedTargets([]) }
    }
    #expect(parameter.tensor.floats() == [7] && parameter.tensor.requiresGradient)
    #expect(values(copy) == [4])
  }

  @Test func `a saved copy is restored, and one of another shape is refused`() throws {
    let copy = WeightCopy([parameter([4, 5])])
    let saved = Dictionary(uniqueKeysWithValues: copy.state("old").map { ($0.name, $0.tensor) })
    #expect(Array(saved.keys) == ["old.p"])
    let other = WeightCopy([parameter([0, 0])])
    try other.restore("old", from: saved)
    #expect(values(other) == [4, 5])
    #expect(throws: ParameterError.self) {
      try WeightCopy([parameter([0])]).restore("old", from: saved)
    }
  }
}
