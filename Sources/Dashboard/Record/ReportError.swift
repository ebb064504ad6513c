package import ImageFiles
package import Recipes
package import Runs

/// Why a report or comparison could not be made; the description names the file and the remedy.
package enum ReportError: Error, CustomStringConvertible {
  /// A file of the run is missing or damaged.
  case run(RunError)
  /// The resolved recipe is damaged.
  case recipe(RecipeError)
  /// A line of a log is valid JSON with unexpected content; `line` starts from 1.
  case line(path: String, line: Int, reason: String)
  /// A JSON file of the run deviates from its format.
  case record(path: String, reason: String)
  /// The sample grid and its sheet contradict each other.
  case sheetMismatch(path: String, reason: String)
  /// An image of the run is damaged.
  case image(ImageFileError)
  /// A run cannot be compared yet.
  case notMeasured(path: String)
  /// The first or the last evaluation of a run has no score.
  case notScored(path: String)
  /// One run is given twice, which would count it as two measurements.
  case givenTwice(path: String)
  /// Two runs of one method have one seed, so they are one measurement.
  case sameSeed(path: String, other: String, seed: String)
  /// Two runs whose folders differ in a number alone have other settings, too.
  case differentSettings(path: String, other: String, detail: String)
  /// A label is for a method that no run has.
  case unknownMethod(name: String, known: [String])
  /// Two runs have different evaluation protocols.
  case differentProtocol(path: String, other: String, detail: String)

  /// One sentence on what is wrong and where, and one on what to do.
  package var description: String {
    switch self {
    case .run(let error): error.description
    case .recipe(let error): error.description
    case .line(let path, let line, let reason):
      "\(path):\(line): \(reason). The log was changed by another program; restore it or remove "
        + "the line."
    case .record(let path, let reason):
      "\(path): \(reason). Remove the file to make the report without it."
    case .sheetMismatch(let path, let reason):
      "\(path): the sample grid does not fit its sheet (\(reason)). "
        + "Remove both to make the report without them."
    case .image(let error): error.description
    case .notMeasured(let path):
      "\(path) has no evaluation after training yet, so there is nothing to compare. "
        + "Let the run go on with --resume, or leave it out."
    case .notScored(let path):
      "\(path) has no score in its first or last evaluation, so its gain is unknown. "
        + "Leave it out."
    case .givenTwice(let path):
      "\(path) is given twice. Name every run once."
    case .sameSeed(let path, let other, let seed):
      "\(path) and \(other) have the same settings and the same seed, \(seed), so they are one "
        + "measurement. Leave one out, or train it with --set seed=NUMBER."
    case .differentSettings(let path, let other, let detail):
      "\(path) and \(other) would be two seeds of one method, because their folders differ in "
        + "a number alone, but they have different settings (\(detail)). Rename one of the folders."
    case .unknownMethod(let name, let known):
      "--label \(name): no run is of that method. The methods are \(known.joined(separator: ", "))."
    case .differentProtocol(let path, let other, let detail):
      "\(path) and \(other) have different evaluation protocols (\(detail)), so their scores are "
        + "not comparable. Leave one out."
    }
  }
}
