import Foundations
import Recipes
import Testing

struct RecipeFuzzTests {
  private static let seedText = """
    # a recipe
    epochs: 30
    model: ../Models/shapes
    optimizer: {learning_rate: 3e-4, betas: [0.9, 0.999]}
    prompts:
      - "a red circle"
      - 'two squares'
    text: |
      several
      lines
    anchor: &a {b: *a, <<: x}
    ? key
    : value
    """

  @Test(arguments: 0..<20)
  func `no bytes make the reader crash`(_ part: Int) {
    var generator = SplitMix64(seed: UInt64(part))
    let pieces = Array("\n\t :-[]{}&*!|>'\"%@`#,?0_.eé\u{FEFF}\u{85}\\".utf8)
    var refused = 0
    for _ in 0..<250 {
      var bytes = Array(Self.seedText.utf8)
      for _ in 0..<Int.random(in: 1...12, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes[place] = pieces.randomElement(using: &generator)!
        case 2: bytes.insert(pieces.randomElement(using: &generator)!, at: place)
        default: bytes.removeSubrange(place..<min(place + 9, bytes.count - 1))
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      refused += problems(text, Self.readAnything).isEmpty ? 0 : 1
      _ = problems("a: 1", set: [text], Self.readAnything)
    }
    #expect(refused > 0)
  }

  @Test func `nesting without end does not exhaust the stack`() {
    for opening in ["[", "{a: ", "- ", "? "] {
      let text = String(repeating: opening, count: 100_000)
      #expect(!problems(text, Self.readAnything).isEmpty)
    }
  }

  /// Reads every given key in every way.
  private static func readAnything(_ section: RecipeSection) {
    for key in section.givenKeys {
      switch section.shape(of: key) {
      case .section: readAnything(section.section(key))
      case .list: _ = section.list(key, of: .string)
      default: _ = (section.double(key, in: .any), section.path(key), section.bool(key))
      }
    }
  }
}
