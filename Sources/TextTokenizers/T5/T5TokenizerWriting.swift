import Foundations

extension T5Tokenizer {
  /// Writes `tokenizer.json`, `tokenizer_config.json`, and `special_tokens_map.json` if the
  /// tokenizer was read with one; transformers' `T5TokenizerFast` loaded from them gives the same
  /// ids. Creates the folder if missing.
  public func write(to folder: String) throws(TokenizerError) {
    var path = folder
    do throws(FileError) {
      try FileTree.makeFolder(folder)
      for (name, bytes) in files.bytes.sorted(by: { $0.key < $1.key }) {
        path = "\(folder)/\(name)"
        try AtomicFile.write(bytes, to: path)
      }
    } catch {
      throw .unwritable(path: path, reason: error.reason)
    }
  }
}
