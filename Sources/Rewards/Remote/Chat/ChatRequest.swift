import Foundation
import Foundations

/// One question to a chat service: images and a text in one message of the user.
struct ChatRequest: Sendable {
  /// The name under which the service has the model.
  var model: String
  /// PNG files, which come before the text in this order.
  var images: [[UInt8]]
  var text: String
  /// Whether each image follows its number, as in `<img1>: `.
  var numbersImages = false
  var temperature: JSONValue = 0
  /// The largest number of tokens in the answer.
  var maxTokens: Int
  /// Further members of the request.
  var options: [JSONValue.Member] = []

  /// The JSON text.
  var bytes: [UInt8] {
    var content: [JSONValue] = []
    for (index, image) in images.enumerated() {
      if numbersImages { content.append(Self.part("<img\(index + 1)>: ")) }
      let url = "data:image/png;base64,\(Data(image).base64EncodedString())"
      content.append(["type": "image_url", "image_url": ["url": .string(url)]])
    }
    content.append(Self.part(text))
    let members: [JSONValue.Member] = [
      .init("model", .string(model)),
      .init("messages", [["role": "user", "content": .array(content)]]),
      .init("temperature", temperature), .init("max_tokens", .int(maxTokens)),
      .init("stream", false),
    ]
    return Array(JSONValue.object(members + options).text.utf8)
  }

  private static func part(_ text: String) -> JSONValue {
    ["type": "text", "text": .string(text)]
  }
}
