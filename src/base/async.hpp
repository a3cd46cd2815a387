// Coroutines and structured concurrency. The only room that starts a coroutine is this one: work
// lives in a Scope, which owns its children and waits for them.
//
// Cancellation. Scope::cancel asks every child to end: the wait it stands in, and every later wait
// of this room, throws Cancelled{reason}; undo code runs (inside uninterrupted), and join() returns
// when all have ended. `co_await`ing a coroutine never throws by itself, only waits do, so cleaning
// up may always call coroutines. Code must not swallow a cancellation: catch Error, never
// everything.
//
// Asio's own operations throw operation_aborted instead, and would not notice a cancellation that
// came earlier: rooms that may use them (net) wrap each in interruptible().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace ruche {

template <class T = void>
using Async = boost::asio::awaitable<T>;
using Executor = boost::asio::any_io_executor;

// Children that live no longer than their owner. Not thread-safe: one loop owns it.
class Scope {
 public:
  explicit Scope(Executor executor, std::string name = "scope");
  // The owner must have joined before destroying; a scope with living children aborts.
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // Starts a child at the loop's next turn, in order of spawning; never once cancelled. A child
  // that throws anything but a cancellation cancels its siblings, and join() rethrows the first
  // such exception.
  void spawn(std::string name, Async<void> child);
  // The first reason counts; children are told in order of spawning.
  void cancel(CancelReason reason);
  bool cancelled() const;
  std::size_t running() const;
  // Waits for all children, also while itself being cancelled: it passes the cancellation on, and
  // when all have ended throws their first failure, else Cancelled.
  Async<void> join();
  Executor executor() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits for the children of a scope that its owner cancelled; their cancellation is no news.
Async<void> drain(Scope& scope);

// Throws Error(deadline, what) when `work` takes longer; the work has fully ended by then.
template <class T>
Async<T> with_deadline(Clock& clock, Duration limit, std::string what, Async<T> work);

Async<void> sleep_for(Clock& clock, std::chrono::microseconds duration);
Async<void> sleep_until(Clock& clock, Instant deadline);

// Runs all to their end, the first failure cancels the others and is rethrown.
Async<void> all(std::vector<Async<void>> works);

// The current coroutine will not be interrupted while `undo` runs; used to clean up after a failure
// or a cancellation. The undo has its own deadline (with_deadline around what it awaits). A
// cancellation that comes meanwhile is thrown by the first wait afterwards.
Async<void> uninterrupted(Async<void> undo);

// Runs `work`. When it throws, an Error or a cancellation, runs `undo()` uninterrupted and
// rethrows: an undo that fails is attached to the Error and never replaces it. (After a
// cancellation there is nothing to attach to: an undo that can fail says so in the log itself.)
Async<void> with_undo(Async<void> work, std::function<Async<void>()> undo);

// Throws Cancelled when the current coroutine has been cancelled. Long loops without a wait call
// it.
Async<void> throw_if_cancelled();

// One Asio operation: does not begin when already cancelled, and throws Cancelled rather than
// operation_aborted: co_await interruptible(socket.async_read_some(buffer, asio::use_awaitable)).
template <class T>
Async<T> interruptible(Async<T> operation);

// A condition that changes: wait() returns after the next notify(). Spurious wake-ups are allowed,
// so callers loop on their own condition. Waiters are woken through the executor, in order.
class Signal {
 public:
  Signal();
  ~Signal();  // wakes nobody: owners end their waiters first
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  void notify();
  Async<void> wait();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// An unbounded queue between coroutines of one loop. close() makes pop() return nullopt once empty.
template <class T>
class Channel {
 public:
  void push(T value) {
    items_.push_back(std::move(value));
    changed_.notify();
  }
  void close() {
    closed_ = true;
    changed_.notify();
  }
  bool closed() const { return closed_; }
  std::size_t size() const { return items_.size(); }
  Async<std::optional<T>> pop() {
    while (items_.empty()) {
      if (closed_) co_return std::nullopt;
      co_await changed_.wait();
    }
    std::optional<T> front(std::move(items_.front()));
    items_.pop_front();
    co_return front;
  }

 private:
  std::deque<T> items_;
  bool closed_ = false;
  Signal changed_;
};

// One thread with a queue: blocking work goes here, never on the loop. Tasks run in order. A caller
// that is cancelled still waits for its own function to end, because it may refer to the caller's
// frame.
class Lane {
 public:
  explicit Lane(std::string name);  // the thread's name
  ~Lane();  // finishes what is queued, then joins the thread
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  template <class F>
  auto run(F work) -> Async<std::invoke_result_t<F>>;
  // For owners that have no coroutine at hand (a timer): `work` on the thread, in order with run(),
  // then `then` through the executor. Neither may throw; `then` must not assume the Lane still
  // lives.
  void post(std::function<void()> work, Executor executor, std::function<void()> then);
  std::size_t waiting() const;

 private:
  Async<void> run_erased(std::function<void()> work);
  struct State;
  std::shared_ptr<State> state_;
};

template <class F>
auto Lane::run(F work) -> Async<std::invoke_result_t<F>> {
  using Result = std::invoke_result_t<F>;
  std::exception_ptr failure;
  if constexpr (std::is_void_v<Result>) {
    co_await run_erased([&] {
      try {
        work();
      } catch (const std::exception&) {
        failure = std::current_exception();
      }
    });
    if (failure) std::rethrow_exception(failure);
  } else {
    std::optional<Result> result;
    co_await run_erased([&] {
      try {
        result.emplace(work());
      } catch (const std::exception&) {
        failure = std::current_exception();
      }
    });
    if (failure) std::rethrow_exception(failure);
    co_return std::move(*result);
  }
}

// Waits until the descriptor is readable or writable. The caller keeps the descriptor open
// meanwhile.
Async<void> wait_readable(int descriptor);
Async<void> wait_writable(int descriptor);

Async<Executor> current_executor();

// True for Cancelled and for Asio's operation_aborted.
bool is_cancellation(const std::exception_ptr& failure);

template <class T>
Async<T> interruptible(Async<T> operation) {
  co_await throw_if_cancelled();
  std::exception_ptr failure;
  try {
    co_return co_await std::move(operation);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  if (is_cancellation(failure)) co_await throw_if_cancelled();
  std::rethrow_exception(failure);
}

namespace detail {
// Runs `work` as a child with its own cancellation, timed by the clock; true when it timed out.
Async<bool> run_limited(Clock& clock, Duration limit, Async<void> work);
}  // namespace detail

template <class T>
Async<T> with_deadline(Clock& clock, Duration limit, std::string what, Async<T> work) {
  if constexpr (std::is_void_v<T>) {
    const bool late = co_await detail::run_limited(clock, limit, std::move(work));
    if (late) throw Error(Reason::deadline, what + " took longer than " + to_text(limit));
  } else {
    std::optional<T> result;
    auto store = [](std::optional<T>& slot, Async<T> inner) -> Async<void> {
      slot.emplace(co_await std::move(inner));
    };
    const bool late = co_await detail::run_limited(clock, limit, store(result, std::move(work)));
    if (late) throw Error(Reason::deadline, what + " took longer than " + to_text(limit));
    co_return std::move(*result);
  }
}

}  // namespace ruche
