import FlowMatching
import Foundation
import Foundations
import Torch
public import TorchNN

/// Writes components of pipeline folders in diffusers' layout.
public enum PipelineWriter {
  /// Copies components and the index of another folder.
  package static func copyComponents(
    _ names: [String], from source: String, to folder: String
  ) throws(PipelineError) {
    for name in names { try copyFolder("\(source)/\(name)", to: "\(folder)/\(name)") }
    try copyFile("\(source)/\(ModelIndex.fileName)", to: "\(folder)/\(ModelIndex.fileName)")
  }

  /// Writes the folder `scheduler` of a pipeline.
  static func writeScheduler(
    _ scheduler: SchedulerConfiguration, to folder: String
  ) throws(PipelineError) {
    try makeFolder("\(folder)/scheduler")
    try writeFile("\(folder)/scheduler/scheduler_config.json") { try prettyJSON(scheduler) }
  }

  /// Writes one component: `config.json` and `<weights>.safetensors`. The folder is created if
  /// needed.
  ///
  /// - Throws: `PipelineError.unwritable`, `.weights`, or `.parameters` for a weight that is not
  ///   finite.
  public static func writeNetwork(
    _ configuration: some ModelConfiguration, _ store: ParameterStore, folder: String,
    weights: String
  ) throws(PipelineError) {
    precondition(
      !store.movesWeights, "weights that are quantized, on the host or shared are not written")
    try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      try checkFinite(store.weights, origin: folder)
    }
    try makeFolder(folder)
    try writeFile("\(folder)/config.json") { try configuration.json() + Data("\n".utf8) }
    try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try Safetensors.write(
        store.weights.map { ($0.name, $0.tensor.detached()) }, metadata: ["format": "pt"],
        to: "\(folder)/\(weights).safetensors")
    }
  }
}

/// Creates a folder and its parents.
func makeFolder(_ path: String) throws(PipelineError) {
  try writing(path) {
    try FileTree.makeFolder(path)
  }
}

/// Writes a small file in one step.
func writeFile(_ path: String, _ contents: () throws -> Data) throws(PipelineError) {
  try writing(path) {
    try AtomicFile.write(try contents(), to: path)
  }
}
