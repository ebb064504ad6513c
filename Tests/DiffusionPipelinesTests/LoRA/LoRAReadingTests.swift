import DiffusionPipelines
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct LoRAReadingTests {
  @Test(arguments: ["diffusers", "bare", "kohya"])
  func `a file gives the velocity that diffusers makes of it`(name: String) throws {
    let given = try LoRACase()
    let lora = try LoRA(path: fixture("lora/\(name).safetensors"))
    let velocity = try given.velocity(lora)
    #expect(relativeError(velocity, try given["velocity.\(name)"]) < velocityTolerance)
    #expect(relativeError(velocity, try given["velocity.plain"]) > 0.01)
  }

  @Test func `rank, alpha and layers are those of the file`() throws {
    let diffusers = try LoRA(path: fixture("lora/diffusers.safetensors"))
    #expect(diffusers.plan.rank == 2 && diffusers.plan.alpha == 6)
    #expect(diffusers.paths.count == 9)
    // Without settings the update is B A itself.
    #expect(try LoRA(path: fixture("lora/bare.safetensors")).plan.scale == 1)
    let kohya = try LoRA(path: fixture("lora/kohya.safetensors"))
    #expect(kohya.plan.rank == 3 && kohya.plan.alpha == 2)
    #expect(kohya.paths.contains("transformer_blocks.0.attn2.to_k"))
    #expect(kohya.record.baseModel == "sd3")
  }

  @Test func `layers chosen by a regular expression are taken from the tensors`() throws {
    try withChangedConfiguration(["target_modules": ".*to_q"]) { folder in
      let plan = try LoRA(path: folder).plan
      #expect(plan.targets.contains("transformer_blocks.1.attn.to_out.0"))
      #expect(plan.targets.count == 8)
    }
  }

  @Test(arguments: [
    ("use_dora", "true"), ("use_rslora", "true"), ("fan_in_fan_out", "true"),
    ("a_switch_of_tomorrow", "true"), ("rank_pattern", "{\"attn.to_q\": 8}"),
    ("alpha_pattern", "{\"attn.to_q\": 8}"),
  ])
  func `a switch that changes the result is refused`(key: String, json: String) throws {
    let value = try JSONSerialization.jsonObject(
      with: Data(json.utf8), options: .fragmentsAllowed)
    try withChangedConfiguration([key: value]) { folder in
      let error = #expect(throws: PipelineError.self) { try LoRA(path: folder) }
      guard case .unsupported(_, let found, _) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
      #expect(found == key)
    }
  }

  @Test func `what is not there is named`() throws {
    let error = #expect(throws: PipelineError.self) { try LoRA(path: "/nowhere") }
    #expect(error.map { "\($0)".contains("/nowhere") } == true)
    try withTemporaryFolder { folder in
      let empty = #expect(throws: PipelineError.self) { try LoRA(path: folder) }
      let text = empty.map { "\($0)" } ?? ""
      #expect(text.contains(folder) && text.contains("adapter_config.json"))
    }
  }

  private func withChangedConfiguration(
    _ changes: [String: Any], _ body: (String) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(
        atPath: fixture("pipeline/lora"), toPath: "\(folder)/lora")
      let url = URL(fileURLWithPath: "\(folder)/lora/adapter_config.json")
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
      try JSONSerialization.data(withJSONObject: object.merging(changes) { $1 }).write(to: url)
      try body("\(folder)/lora")
    }
  }
}
