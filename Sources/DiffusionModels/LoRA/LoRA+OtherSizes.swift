extension LoRA {
  /// What differs between the training of the adapters and their use, a sentence each; empty where
  /// the record does not have it.
  ///
  /// - Parameters:
  ///   - imageSize: of the images now.
  ///   - maxSequenceLength: tokens of a prompt now.
  package func differences(imageSize: ImageSize, maxSequenceLength: Int) -> [String] {
    var differences: [String] = []
    if let trained = record.imageSize, trained != imageSize {
      differences.append(
        "\(origin) was trained with images of \(trained.text) pixels and is used at "
          + "\(imageSize.text); patterns may appear that training never saw")
    }
    if let trained = record.maxSequenceLength, trained != maxSequenceLength {
      differences.append(
        "\(origin) was trained with prompts of \(trained) tokens and is used with "
          + "\(maxSequenceLength); set --max-sequence-length or max_sequence_length to \(trained) "
          + "for the prompts of training")
    }
    return differences
  }
}
