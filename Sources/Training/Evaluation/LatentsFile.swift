package import Torch

/// Latents on disk: a safetensors file with one tensor `latents` `[B, C, h, w]`.
package enum LatentsFile {
  private static let key = "latents"

  /// Reads latents of a known shape as float32.
  ///
  /// - Throws: ``LatentsFileError``.
  package static func read(_ path: String, shape: [Int]) throws(LatentsFileError) -> Tensor {
    let latents: Tensor
    do throws(SafetensorsError) {
      latents = try SafetensorsFile(path: path).tensor(key)
    } catch {
      throw .file(error)
    }
    guard latents.shape == shape else {
      throw .shape(path: path, expected: shape, found: latents.shape)
    }
    guard latents.dtype.isFloatingPoint else {
      throw .notFloatingPoint(path: path, found: latents.dtype)
    }
    return latents.to(.float32).clone()
  }

  /// Writes latents, replacing the file as a whole.
  ///
  /// - Throws: ``LatentsFileError/file(_:)``.
  package static func write(_ latents: Tensor, to path: String) throws(LatentsFileError) {
    do throws(SafetensorsError) {
      try Safetensors.write([(key, latents.contiguous())], to: path)
    } catch {
      throw .file(error)
    }
  }
}

/// Why latents could not be read or written.
package enum LatentsFileError: Error, CustomStringConvertible {
  /// The safetensors file cannot be read or written, or lacks `latents`.
  case file(SafetensorsError)
  /// The latents' shape differs from that of the model and prompts.
  case shape(path: String, expected: [Int], found: [Int])
  /// The latents are integers or booleans.
  case notFloatingPoint(path: String, found: DType)

  package var description: String {
    switch self {
    case .file(let error): error.description
    case .shape(let path, let expected, let found):
      "\(path): 'latents' has shape \(found); this model and these prompts need \(expected)"
    case .notFloatingPoint(let path, let found):
      "\(path): 'latents' is \(found); save floating-point numbers"
    }
  }
}
