import CPUKernels
package import Testing

/// Installs the CPU kernels that the environment chooses while a suite's tests run.
package struct CPUKernelsTrait: SuiteTrait, TestScoping {
  @concurrent package func provideScope(
    for test: Test, testCase: Test.Case?,
    performing body: @concurrent @Sendable () async throws -> Void
  ) async throws {
    CPUKernel.install(try CPUKernel.chosenByEnvironment())
    defer { CPUKernel.install([]) }
    try await body()
  }
}

extension Trait where Self == CPUKernelsTrait {
  /// Networks of this suite are built with the CPU kernels.
  package static var cpuKernels: Self { Self() }
}
