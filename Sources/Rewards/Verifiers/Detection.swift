/// What an engine made of one image.
package enum Detection<Value: Sendable>: Sendable {
  /// What it saw; nothing at all is a value, too.
  case seen(Value)
  /// It could not look, for a reason in a few words that can be counted.
  case unseen(reason: String)
}

extension Detection: Equatable where Value: Equatable {}
