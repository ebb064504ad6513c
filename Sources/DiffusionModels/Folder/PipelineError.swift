public import FlowMatching
import Foundation
import Foundations
public import TextTokenizers
public import Torch
public import TorchNN

/// Why a pipeline folder or an adapter folder cannot be used or written.
public enum PipelineError: Error, Equatable, CustomStringConvertible {
  /// A file is missing or cannot be read.
  case unreadable(path: String, reason: String)
  /// A file or folder cannot be written.
  case unwritable(path: String, reason: String)
  /// A component has another class than the pipeline needs; `found` is nil if it is absent.
  case wrongClass(path: String, component: String, expected: String, found: String?)
  /// A key or component that is not known and may change the result.
  case unknownKey(path: String, key: String)
  /// A known key with a value that cannot be followed.
  case unsupported(path: String, key: String, reason: String)
  /// Adapters belong to another model: `layer` has `[out, in]` other than `found`, or is absent
  /// (`expected` is nil); `baseModel` is what the file says it belongs to.
  case otherModel(
    path: String, layer: String, expected: [Int]?, found: [Int], baseModel: String?)
  /// Something is there already.
  case exists(path: String)
  /// Two components do not fit together.
  case inconsistent(path: String, reason: String)
  /// The index names T5, and it is not in the folder.
  case absentT5(folder: String)
  /// Images of this size cannot be made.
  case imageSize(path: String, reason: String)
  /// A component's `config.json`.
  case model(ModelError)
  /// A component's weights do not fit its configuration.
  case parameters(ParameterError)
  /// A component's weights file.
  case weights(SafetensorsError)
  /// A tokenizer's files.
  case tokenizer(TokenizerError)
  /// The scheduler's configuration.
  case scheduler(SchedulerConfigurationError)

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
        + (baseModel.map { ". The file says it belongs to \($0)" } ?? "")
    case .exists(let path):
      "\(path) exists already; choose another place, or replace it with --overwrite"
    case .inconsistent(let path, let reason), .imageSize(let path, let reason):
      "\(path): \(reason)"
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

/// Runs `body`, which reads the file at `path`.
func reading<Result>(_ path: String, _ body: () throws -> Result) throws(PipelineError) -> Result {
  do {
    return try body()
  } catch {
    throw .unreadable(path: path, reason: reason(error))
  }
}

/// Runs `body`, which writes the file or folder at `path`.
func writing<Result>(_ path: String, _ body: () throws -> Result) throws(PipelineError) -> Result {
  do {
    return try body()
  } catch {
    throw .unwritable(path: path, reason: reason(error))
  }
}

/// The part of an error that does not repeat the path.
private func reason(_ error: any Error) -> String {
  switch error {
  case let error as FileError: error.reason
  case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
    DecodingError.keyNotFound(_, let context), DecodingError.dataCorrupted(let context):
    context.debugDescription
  default: error.localizedDescription
  }
}

/// Runs `body`, turning its error into the pipeline's by `wrap`.
func wrapping<Result, Failure: Error>(
  _ wrap: (Failure) -> PipelineError, _ body: () throws(Failure) -> Result
) throws(PipelineError) -> Result {
  do {
    return try body()
  } catch {
    throw wrap(error)
  }
}
