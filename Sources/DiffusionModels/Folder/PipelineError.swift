public import FlowMatching
import Foundation
import Foundations
public import TextTokenizers
public import Torch
public import TorchNN

/// Why a pipeline folder or an adapter folder cannot be read or written.
public enum PipelineError: Error, Equatable, CustomStringConvertible {
  /// A file is missing or cannot be read.
  case unreadable(path: String, reason: String)
  /// A file or folder cannot be written.
  case unwritable(path: String, reason: String)
  /// A component has the wrong class; `found` is nil if the component is absent.
  case wrongClass(path: String, component: String, expected: String, found: String?)
  /// An unknown key or component, which may change the result.
  case unknownKey(path: String, key: String)
  /// A known key with an unsupported value.
  case unsupported(path: String, key: String, reason: String)
  /// Adapters of another model. `layer` has the shape `expected`, `[out, in]`, in the model and
  /// `found` in the file; `expected` is nil if the model has no such layer. `baseModel` is the
  /// model that the file names.
  case otherModel(
    path: String, layer: String, expected: [Int]?, found: [Int], baseModel: String?)
  /// The path exists already.
  case exists(path: String)
  /// Two components are incompatible.
  case inconsistent(path: String, reason: String)
  /// The index names T5, and its folders are missing.
  case absentT5(folder: String)
  /// The folder holds no model.
  case noModel(folder: String)
  /// Images cannot have this size.
  case imageSize(path: String, reason: String)
  /// A component's `config.json`.
  case model(ModelError)
  /// A component's weights do not match its configuration.
  case parameters(ParameterError)
  /// A component's weights file.
  case weights(SafetensorsError)
  /// A tokenizer's files.
  case tokenizer(TokenizerError)
  /// The scheduler's configuration.
  case scheduler(SchedulerConfigurationError)

  /// A component's folder or file is missing.
  static func missingComponent(_ component: String, of folder: String) -> PipelineError {
    .inconsistent(path: "\(folder)/\(component)", reason: "it is missing; download or copy it")
  }

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
    case .unwritable(let path, let reason): "\(path): cannot be written: \(reason)"
    case .wrongClass(let path, let component, let expected, let found):
      "\(path): '\(component)' is \(found ?? "absent"); the pipeline needs \(expected)"
    case .unknownKey(let path, let key): "\(path): unknown key '\(key)'"
    case .unsupported(let path, let key, let reason): "\(path): '\(key)': \(reason)"
    case .otherModel(let path, let layer, let expected, let found, let baseModel):
      "\(path): these adapters belong to another model: '\(layer)' is for a layer of shape "
        + "\(found); "
        + (expected.map { "the model's has \($0)" } ?? "the model has no such layer")
        + (baseModel.map { ". The base model of the file is \($0)" } ?? "")
    case .exists(let path):
      "\(path) exists already; choose another place, or replace it with --overwrite"
    case .inconsistent(let path, let reason), .imageSize(let path, let reason):
      "\(path): \(reason)"
    case .noModel(let folder):
      "\(folder): there is no model, neither \(ModelIndex.fileName) nor transformer/config.json; "
        + "download it there (hf download REPOSITORY --local-dir FOLDER), or name another folder"
    case .absentT5(let folder):
      "\(folder): model_index.json names a T5 text encoder, and text_encoder_3 or tokenizer_3 is "
        + "not there; download both, or, to go without T5, write "
        + "\"text_encoder_3\": [null, null] and \"tokenizer_3\": [null, null] in model_index.json"
    case .model(let error): error.description
    case .parameters(let error): error.description
    case .weights(let error): error.description
    case .tokenizer(let error): error.description
    case .scheduler(let error): error.description
    }
  }
}

/// Runs `body`, which reads the file at `path`, and converts its error.
func reading<Result>(_ path: String, _ body: () throws -> Result) throws(PipelineError) -> Result {
  do {
    return try body()
  } catch {
    throw .unreadable(path: path, reason: reason(error))
  }
}

/// Runs `body`, which writes the file or folder at `path`, and converts its error.
func writing<Result>(_ path: String, _ body: () throws -> Result) throws(PipelineError) -> Result {
  do {
    return try body()
  } catch {
    throw .unwritable(path: path, reason: reason(error))
  }
}

/// The error's text without the path.
private func reason(_ error: any Error) -> String {
  switch error {
  case let error as FileError: error.reason
  case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
    DecodingError.keyNotFound(_, let context), DecodingError.dataCorrupted(let context):
    context.debugDescription
  default: error.localizedDescription
  }
}

/// Runs `body` and converts its error to a `PipelineError` with `wrap`.
func wrapping<Result, Failure: Error>(
  _ wrap: (Failure) -> PipelineError, _ body: () throws(Failure) -> Result
) throws(PipelineError) -> Result {
  do {
    return try body()
  } catch {
    throw wrap(error)
  }
}

/// Throws `PipelineError.inconsistent` unless `holds`.
func require(_ holds: Bool, _ path: String, _ reason: String) throws(PipelineError) {
  guard holds else { throw .inconsistent(path: path, reason: reason) }
}
