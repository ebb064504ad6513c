import Foundation
import ImageFiles

/// Reads text with the program `tesseract` on this machine (Debian: tesseract-ocr, tested with
/// 5.3).
///
/// One process reads one batch of images from files. When a batch fails or takes too long, its
/// images are unread and its process has ended. `concurrency` bounds the processes of all calls
/// together.
package struct TesseractReader: TextReader {
  private let program: String
  private let batchSize: Int
  private let places: FairTurns
  /// Seconds for one batch.
  private let timeout: Double

  /// - Throws: ``RewardError/failed(reward:reason:)`` when the program is not installed.
  package init(_ settings: OCRFactory) throws(RewardError) {
    program = try Self.program(for: settings.label)
    batchSize = settings.batchSize
    places = FairTurns(places: settings.service.concurrency)
    timeout = settings.service.retry.timeout
  }

  /// The program's path.
  ///
  /// - Parameter reward: the label, for errors.
  /// - Throws: ``RewardError/failed(reward:reason:)`` when it is not installed.
  static func program(for reward: String) throws(RewardError) -> String {
    let folders = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":")
    let candidates = folders.map { "\($0)/tesseract" }
    guard let path = candidates.first(where: FileManager.default.isExecutableFile) else {
      throw .failed(
        reward: reward,
        reason: "the program tesseract is not installed; apt-get install tesseract-ocr, or set "
          + "backend: remote")
    }
    return path
  }

  package func read(_ samples: [RewardSample]) async throws(RewardError) -> [Detection<String>] {
    let batches = stride(from: 0, to: samples.count, by: batchSize).map { start in
      samples[start..<min(start + batchSize, samples.count)].map(\.image)
    }
    var answers = Array(repeating: [Detection<String>](), count: batches.count)
    await withTaskGroup(of: (Int, [Detection<String>]).self) { group in
      for (index, batch) in batches.enumerated() {
        group.addTask { (index, await read(batch)) }
      }
      for await (done, answer) in group { answers[done] = answer }
    }
    return answers.flatMap(\.self)
  }

  private func read(_ images: [PixelBuffer]) async -> [Detection<String>] {
    func unseen(_ reason: String) -> [Detection<String>] {
      Array(repeating: .unseen(reason: reason), count: images.count)
    }
    // Where a run stops, nobody waits for what has not begun.
    guard await places.take(0) else { return unseen("cancelled") }
    defer { places.give() }
    do {
      let texts = try await texts(images)
      return texts.count == images.count
        ? texts.map(Detection.seen) : unseen("tesseract did not answer for every image")
    } catch let error as OneShotProcess.Failure {
      return unseen("tesseract \(error.reason)")
    } catch {
      return unseen("the images could not be handed to tesseract")
    }
  }

  private func texts(_ images: [PixelBuffer]) async throws -> [String] {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tempflow-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // A folder that cannot be removed is no reason to discard what was read.
    defer { do { try FileManager.default.removeItem(at: folder) } catch {} }
    var list = ""
    for (index, image) in images.enumerated() {
      let file = folder.appending(path: "\(index).png")
      try Data(try PNG.encode(image)).write(to: file)
      list += file.path + "\n"
    }
    let file = folder.appending(path: "list.txt")
    try Data(list.utf8).write(to: file)
    // Page segmentation mode 11 is sparse text: anywhere in the image, in no particular order.
    let process = OneShotProcess(
      program, [file.path, "stdout", "--psm", "11"], environment: ["OMP_THREAD_LIMIT": "1"])
    let outcome = await process.run(in: folder, timeout: timeout)
    // Pages are separated by form feeds; some releases write one after the last page, too.
    var pages = try outcome.get().split(separator: "\u{C}", omittingEmptySubsequences: false)
    if pages.count == images.count + 1, pages.last?.allSatisfy(\.isWhitespace) == true {
      pages.removeLast()
    }
    return pages.map(String.init)
  }
}
