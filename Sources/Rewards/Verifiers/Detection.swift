/// The result of a detector or a text reader for one image.
package enum Detection<Value: Sendable>: Sendable {
  /// What is in the image, which may be nothing.
  case seen(Value)
  /// The image could not be read; the reason is a few words that can be counted.
  case unseen(reason: String)
}

extension Detection: Equatable where Value: Equatable {}
