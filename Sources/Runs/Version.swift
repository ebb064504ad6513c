/// The version that `tempflow --version` prints and that exported files record.
package enum Version {
  package static let current = "0.1.0"
}
