import Rewards
import Synchronization
import Testing

/// State that tasks share.
private final class Shared<Value: Sendable>: Sendable {
  let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }
}

@Suite struct FairTurnsTests {
  @Test func `members that wait take turns, each in its own order`() async {
    let turns = FairTurns(places: 1)
    #expect(await turns.take(0))
    let log = Shared<[String]>([])
    await withTaskGroup(of: Void.self) { group in
      // Member 0 comes first, with many requests.
      for (member, count) in [(0, 4), (1, 2), (2, 1)] {
        for number in 0..<count {
          let before = turns.waitingCount
          group.addTask {
            #expect(await turns.take(member))
            log.value.withLock { $0.append("\(member).\(number)") }
            turns.give()
          }
          while turns.waitingCount == before { await Task.yield() }
        }
      }
      turns.give()
    }
    #expect(log.value.withLock { $0 } == ["0.0", "1.0", "2.0", "0.1", "1.1", "0.2", "0.3"])
  }

  @Test func `a request whose task is cancelled waits no longer, and takes no place`() async {
    let turns = FairTurns(places: 1)
    #expect(await turns.take(0))
    let tasks = (0..<6).map { number in Task { await turns.take(number % 2) } }
    while turns.waitingCount < tasks.count { await Task.yield() }
    for task in tasks.prefix(5) { task.cancel() }
    for task in tasks.prefix(5) { #expect(await !task.value) }
    #expect(turns.waitingCount == 1)
    turns.give()
    #expect(await tasks[5].value)
    let late = Task {
      while !Task.isCancelled { await Task.yield() }
      return await turns.take(1)
    }
    late.cancel()
    #expect(await !late.value)
    turns.give()
    #expect(await turns.take(3))
  }

  /// Cancels requests at any moment between their wait and their turn.
  @Test func `places are not lost where requests are cancelled`() async {
    let turns = FairTurns(places: 2)
    let taken = Shared(0)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<2000 {
        let task = Task {
          guard await turns.take(number % 5) else { return }
          await Task.yield()
          taken.value.withLock { $0 += 1 }
          turns.give()
        }
        group.addTask {
          if number.isMultiple(of: 2) { task.cancel() }
          await task.value
        }
      }
    }
    #expect(taken.value.withLock { $0 } >= 1000)
    #expect(turns.waitingCount == 0)
    for _ in 0..<2 { #expect(await turns.take(0)) }
  }

  @Test func `no more requests than places are under way, and none is lost`() async {
    let turns = FairTurns(places: 3)
    let state = Shared((now: 0, most: 0, done: 0))
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<2000 {
        group.addTask {
          #expect(await turns.take(number % 7))
          state.value.withLock { state in
            state.now += 1
            state.most = max(state.most, state.now)
          }
          await Task.yield()
          state.value.withLock { state in
            state.now -= 1
            state.done += 1
          }
          turns.give()
        }
      }
    }
    #expect(state.value.withLock { $0.done } == 2000)
    #expect(state.value.withLock { $0.most } <= 3)
    #expect(turns.waitingCount == 0)
  }
}
