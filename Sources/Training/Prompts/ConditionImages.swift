package import DiffusionModels
package import ImageFiles
package import Rewards
internal import TorchNN

/// The condition images of prompts as the model and the rewards see them: read from their files and
/// brought to the size of the model's images.
package struct ConditionImages {
  private let size: ImageSize

  /// - Parameter size: of the model's images.
  package init(_ size: ImageSize) { self.size = size }

  /// The images of each prompt for rewards; none if every reward judges an image alone.
  ///
  /// - Throws: `TrainingError.prompts` for a file that cannot be read.
  package func of(
    _ prompts: [Prompt], for rewards: [RewardEntry]
  ) throws(TrainingError) -> [[PixelBuffer]] {
    let areUsed = rewards.contains { type(of: $0.factory).sourceImages != .unused }
    return areUsed ? try of(prompts) : prompts.map { _ in [] }
  }

  /// The images of each prompt.
  ///
  /// - Throws: `TrainingError.prompts` for a file that cannot be read.
  package func of(_ prompts: [Prompt]) throws(TrainingError) -> [[PixelBuffer]] {
    // Prompts may share a file.
    var scaled: [[String]: [PixelBuffer]] = [:]
    var images: [[PixelBuffer]] = []
    for prompt in prompts {
      if scaled[prompt.images] == nil { scaled[prompt.images] = try of(prompt) }
      images.append(scaled[prompt.images] ?? [])
    }
    return images
  }

  /// The images of a prompt.
  ///
  /// - Throws: `TrainingError.prompts` for a file that cannot be read.
  package func of(_ prompt: Prompt) throws(TrainingError) -> [PixelBuffer] {
    try prompt.readImages().map {
      $0.resized(width: size.width, height: size.height, filter: .lanczos)
    }
  }
}

extension Prompt {
  /// The condition images as they are in their files.
  ///
  /// - Throws: `TrainingError.prompts` for a file that cannot be read.
  func readImages() throws(TrainingError) -> [PixelBuffer] {
    var read: [PixelBuffer] = []
    for path in images {
      do throws(ImageFileError) {
        read.append(try ImageReader.read(path))
      } catch {
        throw .prompts(error.description)
      }
    }
    return read
  }

  /// The prompt as an encoder's input.
  ///
  /// - Throws: as ``readImages()``.
  func input() throws(TrainingError) -> PromptInput {
    PromptInput(text, images: try readImages())
  }
}
