import Recipes

/// How long and how often one request is tried.
package struct RetryPolicy: Sendable, Equatable {
  /// Seconds for one attempt, from connecting to the last byte.
  package var timeout = 60.0
  /// Further attempts after one at which the service failed, 0...
  package var retries = 3
  /// Seconds that a service may be unreachable or busy before its samples are given up.
  package var outageTimeout = 120.0
  /// Seconds of rest for a service after its first fault; doubled with each further one.
  package var firstRest = 0.25
  /// The longest rest, in seconds.
  package var longestRest = 5.0

  package init() {}

  /// Reads `timeout`, `retries` and `outage_timeout` of a recipe's entry.
  mutating func read(_ section: RecipeSection) {
    readTimeout(section)
    readRetries(section)
    readOutageTimeout(section)
  }

  mutating func readTimeout(_ section: RecipeSection) {
    timeout = section.double("timeout", in: .above(0, through: 1e6), default: timeout)
  }

  mutating func readRetries(_ section: RecipeSection) {
    retries = section.int("retries", in: 0...100, default: retries)
  }

  mutating func readOutageTimeout(_ section: RecipeSection) {
    outageTimeout = section.double("outage_timeout", in: 0...1e6, default: outageTimeout)
  }
}
