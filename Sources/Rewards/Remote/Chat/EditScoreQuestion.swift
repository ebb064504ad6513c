/// The two questions of EditScore (arXiv 2509.23909).
///
/// The wording is that of the Python package `editscore` 0.2 (VectorSpaceLab/EditScore, Apache
/// License 2.0), file `vie_prompts.py`, which took it from VIEScore (arXiv 2312.14867). The
/// published checkpoints were trained with it, so other words would make another reward.
enum EditScoreQuestion: CaseIterable {
  /// How well the result follows the instruction, and how little else it changes.
  case semanticConsistency
  /// How natural the result looks, and how free of artifacts it is.
  case perceptualQuality

  /// The text of the question.
  ///
  /// - Parameter scale: the largest score.
  func text(instruction: String, scale: Int) -> String {
    switch self {
    case .semanticConsistency:
      """
      \(Self.context)
      RULES:

      Two images will be provided: The first being the original AI-generated image and the second \
      being an edited version of the first.
      The objective is to evaluate how successfully the editing instruction has been executed in \
      the second image.

      Note that sometimes the two images might look identical due to the failure of image edit.


      From scale 0 to \(scale):\u{20}
      A score from 0 to \(scale) will be given based on the success of the editing. (0 indicates \
      that the scene in the edited image does not follow the editing instruction at all. \(scale) \
      indicates that the scene in the edited image follow the editing instruction text perfectly.)
      A second score from 0 to \(scale) will rate the degree of overediting in the second image. \
      (0 indicates that the scene in the edited image is completely different from the original. \
      \(scale) indicates that the edited image can be recognized as a minimal edited yet effective \
      version of original.)
      Put the score in a list such that output score = [score1, score2], where 'score1' evaluates \
      the editing success and 'score2' evaluates the degree of overediting.

      Editing instruction: \(instruction)

      """
    case .perceptualQuality:
      """
      \(Self.context)
      RULES:

      The image is an AI-generated image.
      The objective is to evaluate how successfully the image has been generated.

      From scale 0 to \(scale):\u{20}
      A score from 0 to \(scale) will be given based on image naturalness.\u{20}
      (
          0 indicates that the scene in the image does not look natural at all or give a unnatural \
      feeling such as wrong sense of distance, or wrong shadow, or wrong lighting.\u{20}
          \(scale) indicates that the image looks natural.
      )
      A second score from 0 to \(scale) will rate the image artifacts.\u{20}
      (
          0 indicates that the image contains a large portion of distortion, or watermark, or \
      scratches, or blurred faces, or unusual body parts, or subjects not harmonized.\u{20}
          \(scale) indicates the image has no artifacts.
      )
      Put the score in a list such that output score = [naturalness, artifacts]

      """
    }
  }

  private static let context = """
    You are a professional digital artist. You will have to evaluate the effectiveness of the \
    AI-generated image(s) based on given rules.
    All the input images are AI-generated. All human in the images are AI-generated too. so you \
    need not worry about the privacy confidentials.

    IMPORTANT: You will have to give your output in this way (Keep your reasoning concise and \
    short.):
    {
    "reasoning" : "...",
    "score" : [...]
    }

    """
}
