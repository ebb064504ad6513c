package import Torch

/// The files that a reward's network is read from, beside its configuration and its tokenizer.
package struct NetworkFiles: Sendable, Equatable {
  package let folder: String
  /// The names of the files of weights, without their ending.
  package let baseNames: [String]
  /// How the names of tensors begin that the files have and the network does not read.
  let unread: [String]
  /// Precision of the weights in memory.
  let precision: DType

  /// The tensors of each file by name, on pages of the file.
  ///
  /// - Throws: `SafetensorsError` for a file that is missing or faulty.
  package func tensors() throws(SafetensorsError) -> [[String: Tensor]] {
    var files: [[String: Tensor]] = []
    for name in baseNames {
      files.append(try WeightsFile.open(folder: folder, baseName: name).tensors)
    }
    return files
  }

  /// Bytes of the network's weights in its precision; nil where a file cannot be read.
  package var bytes: Int? {
    do throws(SafetensorsError) {
      let count = try tensors().joined()
        .filter { tensor in !unread.contains { tensor.key.hasPrefix($0) } }
        .reduce(0) { $0 + $1.value.count }
      return precision.byteCount * count
    } catch {
      // What is wrong with it is an error when it is loaded.
      return nil
    }
  }
}
