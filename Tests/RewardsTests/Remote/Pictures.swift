import Foundation
import Foundations
import ImageFiles

/// A black picture of one row, which its width identifies.
func picture(_ width: Int) -> PixelBuffer { PixelBuffer(width: width, height: 1) }

/// The data URL of a picture.
func pictureURL(_ width: Int) throws -> JSONValue {
  .string("data:image/png;base64,\(Data(try PNG.encode(picture(width))).base64EncodedString())")
}
