package import Torch

/// What a scorer is made from: an entry of a recipe's `rewards`, or the flags of `tempflow score`.
///
/// A plain value: `RewardRegistry.check` judges it without loading or starting anything, and
/// `RewardRegistry.reward` makes the scorer. Each reward reads the settings that
/// ``RewardFamily/keys`` lists for it and no others.
package struct RewardSettings: Sendable, Equatable {
  /// The scorer; one of `RewardRegistry.names`.
  package var name: String
  /// What metrics, reports and errors call it, so that two scorers of one name can be told apart.
  package var label: String
  /// What the total is, one of the reward's modes; nil is the first of them.
  package var mode: String?
  /// Which program or service does the looking, one of the reward's engines; nil is the first.
  package var backend: String?
  /// The folder of a network's weights; for a chat service the name it serves the model under.
  package var model: String?
  /// Precision of a network's weights.
  package var precision = DType.float32
  /// Where a network runs.
  package var device = Device.cpu
  /// Images of one call of a network, of one request, or of one message at most; 1...
  package var batchSize = 16
  /// A child process: the program, looked up as a shell does, and its arguments.
  package var command: [String] = []
  /// The working directory of a child process; nil is this process's own.
  package var directory: String?
  /// A remote service: one address, or several that share the work.
  package var urls: [String] = []
  /// The proxy through which a remote service is reached; nil is none, whatever the environment says.
  package var proxy: String?
  /// Seconds that one call may take: a request, a message, or the reading of one image.
  package var timeout = 60.0
  /// Times that a failed call is tried again; 0...
  package var retries = 3
  /// Seconds that a service may be away, as while it is restarted, before its samples are given up.
  package var outageTimeout = 120.0
  /// Calls under way at once at most, and as many child processes; 1...
  package var concurrency = 4
  /// The environment variable that holds a service's key. The key itself is never a setting.
  package var apiKeyVariable: String?
  /// What a chat service is asked; `{prompt}` stands for the image's prompt. Nil is the reward's
  /// own.
  package var prompt: String?
  /// A regular expression whose first group is the score in a chat service's answer; nil is the
  /// reward's own.
  package var pattern: String?
  /// How a child process gets the images.
  package var imageTransport = ImageTransport.paths

  /// How images reach a child process.
  package enum ImageTransport: String, CaseIterable, Sendable {
    /// As paths of PNG files that live until the answer has come.
    case paths
    /// As base64 text of a PNG.
    case inline
  }

  /// The settings of a reward that is used as it comes.
  ///
  /// - Parameter label: what metrics call it; nil is its name.
  package init(_ name: String, label: String? = nil) {
    self.name = name
    self.label = label ?? name
    // Every child loads its model anew.
    if name == "process" { concurrency = 1 }
  }

  /// The settings that belong to some rewards only, by their keys in a recipe. Every reward has
  /// `name` and `label`.
  package enum Key: String, CaseIterable, Sendable {
    case mode, backend, model, precision, device, command, directory, urls, proxy, timeout, retries
    case concurrency, prompt, pattern
    case outageTimeout = "outage_timeout"
    case imageTransport = "image_transport"
    case batchSize = "batch_size"
    case apiKeyVariable = "api_key_variable"
  }
}
