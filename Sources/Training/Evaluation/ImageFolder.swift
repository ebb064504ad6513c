internal import Foundation
package import ImageFiles

/// The PNG files of a folder.
package enum ImageFolder {
  /// Reads every `.png` file of the folder, in the order of their names' bytes.
  ///
  /// - Throws: `TrainingError.images` for a folder without one, or for the first that cannot be
  ///   read.
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
      .sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
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
