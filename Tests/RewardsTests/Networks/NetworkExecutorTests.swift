import Foundation
import Rewards
import Testing

@Suite struct NetworkExecutorTests {
  /// Counts on its executor, and records the threads.
  private actor Counter {
    private let executor: NetworkExecutor
    private(set) var count = 0
    private(set) var threads: Set<UInt> = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ executor: NetworkExecutor) { self.executor = executor }

    func increment() {
      threads.insert(UInt(pthread_self()))
      let before = count
      for _ in 0..<1000 { sched_yield() }
      count = before + 1
    }
  }

  @Test func `an actor's jobs run one at a time on the executor's thread`() async {
    let executor = NetworkExecutor()
    let first = Counter(executor)
    let second = Counter(executor)
    await withTaskGroup { group in
      for _ in 0..<20 {
        group.addTask { await first.increment() }
        group.addTask { await second.increment() }
      }
    }
    #expect(await first.count == 20)
    #expect(await second.count == 20)
    let threads = await first.threads
    #expect(threads.count == 1)
    #expect(await second.threads == threads)
    #expect(!threads.contains(UInt(pthread_self())))
  }

  @Test func `the executor ends with its actors`() async {
    weak var ended: NetworkExecutor?
    do {
      let counter = Counter(NetworkExecutor())
      await counter.increment()
      ended = counter.unownedExecutor.asSerialExecutor() as? NetworkExecutor
      #expect(ended != nil)
    }
    for _ in 0..<100 where ended != nil {
      do { try await Task.sleep(for: .milliseconds(5)) } catch {}
    }
    #expect(ended == nil)
  }
}
