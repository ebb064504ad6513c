import DiffusionModels
import DiffusionPipelines
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

@Suite struct LoRAFolderTests {
  private let lora = fixture("pipeline/lora")

  @Test func `adapters are written with PEFT's keys and read back unchanged`() throws {
    let pipeline = try StableDiffusion3Pipeline(
      folder: fixture("pipeline/model"),
      transformer: LearningSetup(trainable: .adapters, adapters: try LoRAFolder.read(lora)))
    try withTemporaryFolder { folder in
      try LoRAFolder.write(pipeline.transformer.store, baseModel: "Models/tiny", to: folder)
      let file = try Checkpoint(path: "\(folder)/adapter_model.safetensors")
      let header = try #require(file.metadata["lora_adapter_metadata"])
      #expect(header.contains("\"base_model.model.lora_alpha\" : 6"))
      let written = file.tensors
      let original = try Checkpoint(path: "\(lora)/adapter_model.safetensors").tensors
      #expect(written.keys.sorted() == original.keys.sorted())
      for (key, tensor) in written {
        #expect(largestDifference(tensor, try #require(original[key])) == 0, "\(key)")
      }
      let plan = try LoRAFolder.read(folder).plan
      #expect(plan.rank == 2)
      #expect(plan.alpha == 6)
      #expect(Set(plan.targets) == ["attn.to_q", "attn.to_out.0", "attn.add_v_proj", "ff.net.2"])
    }
  }

  @Test func `layers chosen by a regular expression are taken from the tensors`() throws {
    try withChangedConfiguration(["target_modules": ".*to_q"]) { folder in
      let plan = try LoRAFolder.read(folder).plan
      #expect(plan.targets.contains("transformer_blocks.1.attn.to_out.0"))
      #expect(plan.targets.count == 8)
    }
  }

  @Test(arguments: ["use_dora", "use_rslora", "fan_in_fan_out", "a_switch_of_tomorrow"])
  func `a switch that changes the result is refused`(key: String) throws {
    try withChangedConfiguration([key: true]) { folder in
      let error = #expect(throws: PipelineError.self) { try LoRAFolder.read(folder) }
      guard case .unsupported(_, let found, _) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
      #expect(found == key)
    }
  }

  @Test func `a folder without adapters is named`() {
    let error = #expect(throws: PipelineError.self) { try LoRAFolder.read("/nowhere") }
    #expect(error.map { "\($0)".contains("/nowhere/adapter_config.json") } == true)
  }

  private func withChangedConfiguration(
    _ changes: [String: Any], _ body: (String) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(atPath: lora, toPath: "\(folder)/lora")
      let url = URL(fileURLWithPath: "\(folder)/lora/adapter_config.json")
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
      try JSONSerialization.data(withJSONObject: object.merging(changes) { $1 }).write(to: url)
      try body("\(folder)/lora")
    }
  }
}
