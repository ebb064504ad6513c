import TestSupport
import Testing
import Torch
import TorchNN

private let settings = AdamW.Configuration(learningRate: 3e-2, weightDecay: 1e-2)

/// Three parameters with a hundred gradients each; "c" has no gradient in every other step.
private struct Course {
  let parameters: [ParameterStore.Named]
  let gradients: [Tensor]
  let expected: [String: Tensor]

  init() throws {
    let all = try WeightsFile(path: fixture("torchnn/adamw.safetensors")).tensors
    parameters = try ["a", "b", "c"].map { ($0, try #require(all["\($0).start"]).clone()) }
    gradients = try ["a", "b", "c"].map { try #require(all["\($0).gradients"]) }
    expected = all
    for parameter in parameters { parameter.tensor.requiresGradient = true }
  }

  func run(_ optimizer: AdamW, steps: Range<Int>) {
    for step in steps {
      for (parameter, gradient) in zip(parameters, gradients) {
        let skipped = parameter.name == "c" && step % 2 == 1
        parameter.tensor.gradient = skipped ? nil : gradient.selected(dim: 0, index: step)
      }
      optimizer.step()
    }
  }
}

private func copies(_ state: [ParameterStore.Named]) -> [String: Tensor] {
  Dictionary(uniqueKeysWithValues: state.map { ($0.name, $0.tensor.detached().clone()) })
}

@Suite struct AdamWTests {
  @Test func `a hundred steps equal torch's, with a parameter that often has no gradient`() throws {
    let course = try Course()
    let optimizer = AdamW(course.parameters, settings)
    for (steps, suffix) in [(0..<1, "after1"), (1..<10, "after10"), (10..<100, "after100")] {
      course.run(optimizer, steps: steps)
      for (name, tensor) in course.parameters {
        let expected = try #require(course.expected["\(name).\(suffix)"])
        #expect(largestDifference(tensor, expected) < 1e-6)
      }
    }
    for (name, tensor) in optimizer.state {
      let parts = name.split(separator: ".").map(String.init)
      let expected = try #require(course.expected["\(parts[1]).\(parts[0])"])
      #expect(largestDifference(tensor, expected) < 1e-6, "\(name)")
    }
    #expect(optimizer.state.count == 9)
    #expect(optimizer.state[8].tensor.item() == 50)
  }

  @Test func `a restored optimizer continues bit for bit`() throws {
    let course = try Course()
    let optimizer = AdamW(course.parameters, settings)
    course.run(optimizer, steps: 0..<10)
    let state = copies(optimizer.state)
    let weights = copies(course.parameters)
    course.run(optimizer, steps: 10..<20)

    let second = try Course()
    withoutGradient {
      for (name, tensor) in second.parameters { weights[name].map { tensor.copy_($0) } }
    }
    let restored = AdamW(second.parameters, settings)
    try restored.restore(state)
    second.run(restored, steps: 10..<20)
    for (one, other) in zip(course.parameters, second.parameters) {
      #expect(one.tensor.floats() == other.tensor.floats())
    }
  }

  @Test func `the state of another model is refused and nothing changes`() throws {
    let course = try Course()
    let optimizer = AdamW(course.parameters, settings)
    course.run(optimizer, steps: 0..<1)
    let before = optimizer.state.map { $0.tensor.floats() }
    var saved = copies(optimizer.state).mapValues { Tensor.zeros(like: $0) }
    saved["exp_avg.b"] = Tensor.zeros([6])
    #expect(
      throws: ParameterError.state(
        key: "exp_avg.b", problem: "found float32 [6], need float32 [5]")
    ) { try optimizer.restore(saved) }
    saved["exp_avg.b"] = nil
    #expect(throws: ParameterError.state(key: "exp_avg.b", problem: "it is missing")) {
      try optimizer.restore(saved)
    }
    #expect(optimizer.state.map { $0.tensor.floats() } == before)
  }

  @Test func `a parameter without gradients is not decayed`() {
    let parameter = Tensor([1] as [Float], shape: [1])
    parameter.requiresGradient = true
    let optimizer = AdamW([("p", parameter)], .init(learningRate: 1, weightDecay: 1))
    optimizer.step()
    #expect(parameter.floats() == [1])
    parameter.gradient = Tensor([1] as [Float], shape: [1])
    optimizer.zeroGradients()
    #expect(parameter.gradient == nil)
  }
}
