import TorchNN

extension NetworkWork {
  /// Counts a transformer's linear layers and their adapters.
  struct Linears {
    private let learning: TrainableWeights
    private var linears = 0.0
    private var adapters = 0.0

    init(_ learning: TrainableWeights) { self.learning = learning }

    /// Adds the layer at `path`, for a number of tokens.
    mutating func add(_ path: String, _ inputs: Int, _ outputs: Int, tokens: Int) {
      linears += 2 * Double(inputs) * Double(outputs) * Double(tokens)
      guard case .adapters(let config) = learning, config.adapts(path) else { return }
      adapters += 2 * Double(config.rank) * Double(inputs + outputs) * Double(tokens)
    }

    /// The work of the layers and of attention.
    ///
    /// The backward pass of a linear layer computes the gradient of its input and, if it is
    /// trained, of its weight. Each of attention's two products has two products of its size in the
    /// backward pass.
    func work(attention: Double) -> NetworkWork {
      let forward = linears + adapters + attention
      let backward = (learning == .full ? 2 : 1) * linears + 2 * adapters + 2 * attention
      return NetworkWork(forward: forward, training: forward + backward)
    }
  }
}
