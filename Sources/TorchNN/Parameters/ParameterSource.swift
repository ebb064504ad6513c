public import Torch

/// The source of the parameter values of a `ParameterStore`.
public enum ParameterSource {
  /// The tensors of a weights file. A tensor that needs no conversion stays in the mapped file.
  /// When a tensor is converted, or copied for training, its mapped pages are released at once.
  case checkpoint(WeightsFile)
  /// New values from each declaration's `Initializer`, drawn on the CPU in declaration order, so
  /// that one seed gives one model on every device.
  case random(Generator)
  /// Shapes without memory: for checking keys and counting parameters of full-size models.
  case meta

  /// Tensors by name, and their file or folder for error messages.
  public static func checkpoint(
    _ tensors: [String: Tensor], origin: String
  ) -> ParameterSource {
    .checkpoint(WeightsFile(tensors, path: origin))
  }
}

/// The initial values of a parameter in a new model.
public enum Initializer: Equatable, Sendable {
  /// Every element is this value.
  case constant(Double)
  /// Normal with mean 0 and this standard deviation.
  case normal(Double)
  /// Uniform in `-bound ..< bound`.
  case uniform(Double)

  /// Every element is 0.
  public static let zeros = Initializer.constant(0)
  /// Every element is 1.
  public static let ones = Initializer.constant(1)

  /// The initialization of `torch.nn.Linear` and `Conv2d` (weight and bias): uniform in ±1/√fanIn.
  ///
  /// It is Kaiming's uniform rule with a = √5.
  public static func fanIn(_ count: Int) -> Initializer { .uniform(1 / Double(count).squareRoot()) }

  /// A new float32 tensor on the CPU.
  func tensor(_ shape: [Int], _ generator: Generator) -> Tensor {
    switch self {
    case .constant(let value): Tensor.full(shape, value)
    case .normal(let deviation): Tensor.randn(shape, generator: generator) * deviation
    case .uniform(let bound): Tensor.rand(shape, generator: generator) * (2 * bound) - bound
    }
  }
}
