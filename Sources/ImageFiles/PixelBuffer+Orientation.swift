extension PixelBuffer {
  /// The image turned upright, as Pillow's `ImageOps.exif_transpose` does.
  package func oriented(_ orientation: ImageOrientation) -> PixelBuffer {
    if orientation == .upright { return self }
    let swapsAxes = orientation.rawValue >= 5
    let reversesColumns = [2, 3, 7, 8].contains(orientation.rawValue)
    let reversesRows = [3, 4, 6, 7].contains(orientation.rawValue)
    // Offsets between the stored pixels of neighbors, and the first one.
    let column = reversesColumns ? -3 : 3
    let row = (reversesRows ? -3 : 3) * width
    let first = (reversesColumns ? width - 1 : 0) * 3 + (reversesRows ? height - 1 : 0) * width * 3
    let (across, down) = swapsAxes ? (row, column) : (column, row)
    let newWidth = swapsAxes ? height : width
    let newHeight = swapsAxes ? width : height
    let bytes = [UInt8](unsafeUninitializedCapacity: pixels.count) { output, initialized in
      pixels.withUnsafeBufferPointer { input in
        var target = 0
        for y in 0..<newHeight {
          for x in 0..<newWidth {
            let source = first + x * across + y * down
            output[target] = input[source]
            output[target + 1] = input[source + 1]
            output[target + 2] = input[source + 2]
            target += 3
          }
        }
      }
      initialized = pixels.count
    }
    return PixelBuffer(width: newWidth, height: newHeight, pixels: bytes)
  }
}
