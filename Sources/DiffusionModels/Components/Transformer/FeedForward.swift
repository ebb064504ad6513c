import Torch
import TorchNN

/// Two linear layers with a tanh-approximated GELU between them (diffusers' `FeedForward`).
struct FeedForward {
  let up: Linear
  let down: Linear

  init(_ width: Int, _ parameters: ParameterScope) throws(ParameterError) {
    up = try Linear(width, 4 * width, parameters["net"][0]["proj"])
    down = try Linear(4 * width, width, parameters["net"][2])
  }

  /// `[B, S, D] -> [B, S, D]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    down(up(x).gelu(approximate: .tanh))
  }
}
