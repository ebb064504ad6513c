import Foundation
import TestSupport
import Testing

@Suite struct ExportCommandTests {
  private let lora = "Tests/Fixtures/pipeline/lora"

  @Test func `adapters are written in another layout, and their rank and layers are reported`()
    throws
  {
    try withTemporaryFolder { folder in
      let file = "\(folder)/kohya.safetensors"
      // Adapters of attention alone fit both families, and PEFT's folder does not name its model.
      let unknown = try tempflow("export", lora, "--format", "kohya", "--output", file)
      #expect(unknown.status == 1 && unknown.errors.contains("--model"), "\(unknown.errors)")
      let model = ["--model", "Tests/Fixtures/pipeline/model"]
      let outcome = try tempflow(
        "export", lora, "--format", "kohya", "--output", file, "--json", model[0], model[1])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try outcome.json
      #expect(report["format"] as? String == "kohya")
      #expect(report["rank"] as? Int == 2)
      #expect(report["layers"] as? Int == 8)
      #expect(FileManager.default.fileExists(atPath: file))
      let again = try tempflow(
        "export", lora, "--format", "kohya", "--output", file, model[0], model[1])
      #expect(again.status == 1)
      #expect(again.errors.contains("exists already"))
      #expect(
        try tempflow(
          "export", lora, "--format", "kohya", "--output", file, "--overwrite", model[0], model[1]
        ).status == 0)
    }
  }

  @Test func `a merge without a model, and a merge with a format, are refused`() throws {
    let merge = try tempflow("export", lora, "--merge", "--output", "/nowhere/merged")
    #expect(merge.status == 64)
    #expect(merge.errors.contains("--merge needs --model"))
    let both = try tempflow("export", lora, "--merge", "--format", "peft", "--output", "/nowhere")
    #expect(both.status == 64)
    #expect(both.errors.contains("either --format or --merge"))
    let file = try tempflow("export", lora, "--format", "diffusers", "--output", "/nowhere/folder")
    #expect(file.errors.contains("must end in .safetensors"))
  }

  @Test func `adapters of another model are refused by sample, with the layer`() throws {
    let outcome = try tempflow(
      "sample", "--model", "Models/shapes", "--lora", lora, "--prompt", "x", "--output",
      "/nowhere/images")
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("these adapters belong to another model"))
    #expect(outcome.errors.contains("'transformer_blocks.0.attn.add_v_proj'"))
  }
}
