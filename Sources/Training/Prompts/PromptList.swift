internal import Foundation
internal import Foundations
package import Rewards

/// Prompts on disk: lines of text, JSON lines, a JSON list, or a table with a heading (CSV, TSV).
///
/// ``PromptFormat`` determines the format. Empty lines are skipped, and white space around a prompt
/// is removed.
package enum PromptList {
  /// Reads every prompt of the file, in order.
  ///
  /// - Parameters:
  ///   - rewards: the rewards of the images; each checks the metadata of every prompt.
  ///   - conditionImages: the number of condition images per prompt: files in the key `image` or
  ///     the list `images`, relative to the prompt file. For a model without condition images,
  ///     these keys are metadata like any other.
  /// - Throws: `TrainingError.prompts`, with file, line and the expected content.
  package static func read(
    _ path: String, for rewards: [RewardEntry] = [], conditionImages: ClosedRange<Int> = 0...0
  ) throws(TrainingError) -> [Prompt] {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw .prompts("\(path): cannot be read (\(error.localizedDescription))")
    }
    let rows: [PromptRow]
    do throws(PromptRow.Fault) {
      rows = try PromptFormat.rows(Array(data), ending: URL(fileURLWithPath: path).pathExtension)
    } catch {
      let place = error.line.map { "\(path):\($0)" } ?? path
      throw .prompts("\(place): \(error.reason)")
    }
    if rows.isEmpty { throw .prompts("\(path): holds no prompt; write one a line") }
    var kinds: [any RewardFactory.Type] = []
    for reward in rewards where !kinds.contains(where: { $0.name == reward.name }) {
      kinds.append(type(of: reward.factory))
    }
    if conditionImages.upperBound == 0,
      let kind = kinds.first(where: { $0.sourceImages == .required })
    {
      throw .prompts(
        "the reward \(kind.name) scores edits of a source image, and the model takes none")
    }
    var prompts: [Prompt] = []
    for row in rows {
      for kind in kinds {
        do throws(PromptFault) {
          try kind.checkPrompt(row.metadata)
        } catch {
          throw .prompts("\(path):\(row.line): \(error)")
        }
      }
      var prompt = Prompt(row.text, tag: row.tag, metadata: row.metadata)
      if conditionImages.upperBound > 0 {
        // A reward that compares with a source image needs one.
        let isRequired = kinds.contains { $0.sourceImages == .required }
        let least = max(conditionImages.lowerBound, isRequired ? 1 : 0)
        prompt.images = try images(row, path, least...conditionImages.upperBound)
      }
      if let first = prompts.first, prompt.images.count != first.images.count {
        throw .prompts(
          "\(path):\(row.line): found \(prompt.images.count) source images, and "
            + "\(first.images.count) with the first prompt; every prompt of a file has as many")
      }
      prompts.append(prompt)
    }
    return prompts
  }

  /// Reads prompts for images that are there already. `image` and `images` are condition images if
  /// the reward compares with them.
  ///
  /// - Throws: as `read(_:for:conditionImages:)`.
  package static func read(
    _ path: String, scoredBy reward: RewardEntry
  ) throws(TrainingError) -> [Prompt] {
    let counts =
      switch type(of: reward.factory).sourceImages {
      case .unused: 0...0
      case .optional: 0...maxConditionImages
      case .required: 1...maxConditionImages
      }
    return try read(path, for: [reward], conditionImages: counts)
  }

  /// The most condition images of a prompt whose model is not known.
  private static let maxConditionImages = 16

  /// `1 source image`, `at most 1 source image`, `2 to 4 source images`
  package static func text(_ counts: ClosedRange<Int>) -> String {
    let range =
      counts.count == 1
      ? "\(counts.lowerBound)"
      : counts.lowerBound == 0
        ? "at most \(counts.upperBound)" : "\(counts.lowerBound) to \(counts.upperBound)"
    return "\(range) source image\(counts.upperBound == 1 ? "" : "s")"
  }

  private static func images(
    _ row: PromptRow, _ path: String, _ counts: ClosedRange<Int>
  ) throws(TrainingError) -> [String] {
    func fault(_ reason: String) -> TrainingError { .prompts("\(path):\(row.line): \(reason)") }
    let (one, list) = (row.metadata["image"] ?? .null, row.metadata["images"] ?? .null)
    guard one == .null || list == .null else {
      throw fault("found both \"image\" and \"images\"; name the source images in one of them")
    }
    let given = list == .null ? (one == .null ? [] : [one]) : list.array ?? [list]
    guard counts.contains(given.count) else {
      throw fault(
        "a prompt has \(text(counts)), found \(given.count); name the files in \"image\" or the "
          + "list \"images\"")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    var images: [String] = []
    for value in given {
      guard let name = value.string, !name.isEmpty else {
        throw fault("the source image \(value.messageText) is no file's name")
      }
      guard name.wholeMatch(of: /[A-Za-z][A-Za-z0-9+.-]+:\/\/.*/) == nil else {
        throw fault("the source image \(name) is an address; download it and name the file")
      }
      let file = URL(fileURLWithPath: name, relativeTo: folder).standardizedFileURL.path
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: file, isDirectory: &isFolder),
        !isFolder.boolValue
      else {
        throw fault(
          "the source image \"\(name)\" does not exist; paths start from the prompt file's folder")
      }
      images.append(file)
    }
    return images
  }
}
