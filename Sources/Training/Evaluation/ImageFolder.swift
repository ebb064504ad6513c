internal import Foundation
internal import Foundations
package import ImageFiles

/// The PNG files of a folder.
package enum ImageFolder {
  /// Names of images whose byte order is their order: `0000.png`, `0001.png`, ...
  package static func names(count: Int) -> [String] {
    let width = max(4, String(max(0, count - 1)).count)
    return (0..<count).map { $0.digits(width) + ".png" }
  }

  /// Reads every `.png` file of the folder in the order of their names. Numbers in names compare as
  /// numbers, so that `2.png` comes before `10.png`; the rest compares by bytes.
  ///
  /// - Throws: `TrainingError.images` for a folder without images, or for the first unreadable one.
  package static func read(
    _ folder: String
  ) throws(TrainingError) -> [(name: String, image: PixelBuffer)] {
    let found: [String]
    do {
      found = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      throw .images("\(folder): cannot be listed (\(error.localizedDescription))")
    }
    let names = found.filter { $0.lowercased().hasSuffix(".png") && !$0.hasPrefix(".") }
      .sorted(by: numberAwareOrder)
    guard !names.isEmpty else { throw .images("\(folder): holds no .png file") }
    var images: [(name: String, image: PixelBuffer)] = []
    for name in names {
      do throws(ImageFileError) {
        images.append((name, try PNG.read("\(folder)/\(name)")))
      } catch {
        throw .images(error.description)
      }
    }
    return images
  }
}
