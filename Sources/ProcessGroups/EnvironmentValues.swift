/// The variables of an environment, read with their ranges. An empty variable counts as unset.
struct EnvironmentValues {
  private let values: [String: String]

  init(_ values: [String: String]) { self.values = values.filter { !$0.value.isEmpty } }

  subscript(name: String) -> String? { values[name] }

  /// The first of these variables that is set.
  func first(of names: [String]) -> String? { names.first { values[$0] != nil } }

  /// - Returns: whether the variables are set; false if none of them is.
  /// - Throws: `.incomplete` if some of them are set.
  func has(all names: [String]) throws(LaunchVariablesError) -> Bool {
    let given = names.filter { values[$0] != nil }
    guard !given.isEmpty else { return false }
    guard given.count == names.count else {
      throw .incomplete(given: given, missing: names.filter { values[$0] == nil })
    }
    return true
  }

  /// The integer of a variable, which is set.
  ///
  /// - Parameter reason: where the range comes from.
  func integer(
    _ name: String, in range: ClosedRange<Int>, reason: String = ""
  ) throws(LaunchVariablesError) -> Int {
    let text = values[name] ?? ""
    guard let value = Int(text), range.contains(value) else {
      let bounds =
        range.upperBound == .max
        ? "an integer of at least \(range.lowerBound)"
        : "an integer in \(range.lowerBound)...\(range.upperBound)"
      throw .invalid(
        name: name, value: text, expected: bounds + (reason.isEmpty ? "" : " (\(reason))"))
    }
    return value
  }

  /// A count of processes or hosts, at least 1.
  func count(_ name: String) throws(LaunchVariablesError) -> Int {
    try integer(name, in: 1...LaunchVariables.mostProcesses)
  }

  /// A number below the value of another variable.
  func index(
    _ name: String, below count: Int, _ countName: String
  ) throws(LaunchVariablesError) -> Int {
    try integer(name, in: 0...(count - 1), reason: "\(countName) is \(count)")
  }
}
