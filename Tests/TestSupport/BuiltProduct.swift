import Foundation

/// The path of an executable built with the tests, such as `builtProduct("points")`.
///
/// The test target must depend on it, so that building the tests also builds the executable.
package func builtProduct(_ name: String) -> String {
  #if os(macOS)
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? Bundle.main
    let folder = bundle.bundleURL.deletingLastPathComponent()
  #else
    let folder = Bundle.main.bundleURL
  #endif
  return folder.appending(path: name).path
}
