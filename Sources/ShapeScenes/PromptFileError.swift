/// Why a prompt file could not be read or written; the description names file, line and remedy.
package enum PromptFileError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be read.
  case unreadable(path: String, reason: String)
  /// A line (counted from 1) is not a prompt in GenEval's metadata format.
  case malformed(path: String, line: Int, ScenePrompt.Fault)
  /// The file holds no prompt.
  case empty(path: String)
  /// The file cannot be written.
  case unwritable(path: String, reason: String)

  package var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "\(path): cannot be read (\(reason)); check the path"
    case .malformed(let path, let line, let fault):
      "\(path):\(line): \(fault)"
    case .empty(let path):
      "\(path): holds no prompt; write one JSON object per line"
    case .unwritable(let path, let reason):
      "\(path): cannot be written (\(reason)); check that the folder exists and has room"
    }
  }
}
