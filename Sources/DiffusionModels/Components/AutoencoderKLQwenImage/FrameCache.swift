import Torch
import TorchNN

/// The last frames of the chunks of a video so far, for each causal convolution of a network.
///
/// The network runs on the first frame alone and then on chunks of equal length (`inChunks`). Its
/// results are those of one run on all frames; its memory is that of one chunk.
final class FrameCache {
  /// Whether the network runs on the first frame.
  fileprivate(set) var isFirstChunk = true
  private var kept: [ObjectIdentifier: Tensor] = [:]

  /// Keeps the last frames of `chunk`, the input of `convolution`, and returns those kept before;
  /// nil for the convolution's first chunk. `[B, C, T, h, w] -> [B, C, contextFrames, h, w]`
  func exchange(_ chunk: Tensor, of convolution: CausalConv3d) -> Tensor? {
    let count = convolution.contextFrames
    guard count > 0 else { return nil }
    let key = ObjectIdentifier(convolution.weight)
    let previous = kept[key]
    let length = chunk.shape[2]
    if length > count {
      // A copy, because a part would keep the memory of the whole chunk.
      kept[key] = chunk.narrowed(dim: 2, start: length - count, length: count).clone()
    } else if length < count, let previous {
      let last = previous.narrowed(dim: 2, start: previous.shape[2] - 1, length: 1)
      kept[key] = Tensor.cat([last, chunk], dim: 2)
    } else {
      kept[key] = chunk
    }
    return previous
  }
}

extension CausalConv3d: CausalLayer {
  /// Convolves a chunk of a video; without a cache, its only frame.
  /// `[B, in, T, h, w] -> [B, out, T / stride, h, w]`
  func callAsFunction(_ chunk: Tensor, _ cache: FrameCache?) -> Tensor {
    self(chunk, after: cache?.exchange(chunk, of: self))
  }
}

/// Runs `network` on the first frame and then on every `length` frames, and joins the results.
/// `[B, C, T, h, w] -> [B, C', T', h', w']`
///
/// A single frame needs no cache.
func inChunks(
  _ video: Tensor, length: Int, _ network: (Tensor, FrameCache?) -> Tensor
) -> Tensor {
  let frames = video.shape[2]
  guard frames > 1 else { return network(video, nil) }
  let cache = FrameCache()
  var results = [network(video.narrowed(dim: 2, start: 0, length: 1), cache)]
  cache.isFirstChunk = false
  for start in stride(from: 1, to: frames, by: length) {
    results.append(network(video.narrowed(dim: 2, start: start, length: length), cache))
  }
  return Tensor.cat(results, dim: 2)
}

/// Runs `network` on the frames of all videos as on images. `[B, C, T, h, w] -> [B, C', T, h', w']`
func onEachFrame(_ video: Tensor, _ network: (Tensor) -> Tensor) -> Tensor {
  let shape = video.shape
  // A view of one frame keeps the channels of a pixel side by side; a reshaped one may not.
  if shape[2] == 1 { return network(video.squeezed(2)).unsqueezed(2) }
  let frames = video.permuted([0, 2, 1, 3, 4]).reshaped([-1, shape[1], shape[3], shape[4]])
  let result = network(frames)
  return result.reshaped([shape[0], shape[2]] + result.shape[1...]).permuted([0, 2, 1, 3, 4])
}
