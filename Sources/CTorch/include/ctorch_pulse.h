// A sign of life, for C++ targets over this shim.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

// Calls `beat` with 1, 2, ... at once and then every `period`, on a thread of its own, until it returns false or the
// object is destroyed. The destructor waits for a call under way.
class Pulse {
 public:
  Pulse(std::function<bool(int64_t)> beat, std::chrono::milliseconds period)
      : thread([this, beat = std::move(beat), period] {
          std::unique_lock lock(mutex);
          for (int64_t number = 1; !isOver; ++number) {
            lock.unlock();
            if (!beat(number)) return;
            lock.lock();
            changed.wait_for(lock, period, [this] { return isOver; });
          }
        }) {}
  ~Pulse() {
    {
      const std::lock_guard lock(mutex);
      isOver = true;
    }
    changed.notify_all();
    thread.join();
  }

 private:
  std::mutex mutex;
  std::condition_variable changed;
  bool isOver = false;
  // Last, so that the thread begins with the others in place.
  std::thread thread;
};
