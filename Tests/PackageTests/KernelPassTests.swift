import Testing

@Suite struct KernelPassTests {
  /// A suite that the pass leaves out would never run as on a processor without the kernels.
  @Test func `the pass without the package's kernels has every suite that uses them`() throws {
    let pass = try #require(
      try SourceTree.lines(of: "Tools/test.sh").drop { !$0.contains("TEMPFLOW_CPU_KERNELS=off") }
        .dropFirst().first)
    let suite = /@Suite\(.*\.cpuKernels.*\) struct (\w+)/
    let names = try SourceTree.swiftFiles(in: "Tests").flatMap { file in
      try SourceTree.lines(of: file).compactMap { $0.firstMatch(of: suite)?.output.1 }
    }
    #expect(names.count >= 3)
    for name in names { #expect(pass.contains(name)) }
  }
}
