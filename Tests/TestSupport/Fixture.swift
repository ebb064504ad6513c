/// The absolute path of a committed fixture, such as `fixture("torchnn/linear.safetensors")`.
package func fixture(_ name: String) -> String {
  testsFolder() + "/Fixtures/" + name
}

/// The absolute path of the repository's `Tests` folder.
package func testsFolder() -> String {
  #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
}

/// The absolute path of the repository.
package func repositoryFolder() -> String {
  #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
}
