#include "base/async.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "base/async_start.hpp"
#include "base/async_suspend.hpp"

namespace ruche {
namespace asio = boost::asio;
namespace this_coro = boost::asio::this_coro;

// --- reasons travel in the upper bits of Asio's cancellation type --------------------------------

namespace {

constexpr unsigned kReasonShift = 8;

asio::cancellation_type with_reason(CancelReason reason) {
  const auto bits = (static_cast<unsigned>(reason) + 1) << kReasonShift;
  return static_cast<asio::cancellation_type>(
      static_cast<unsigned>(asio::cancellation_type::terminal) | bits);
}

std::optional<CancelReason> reason_in(asio::cancellation_type type) {
  if (type == asio::cancellation_type::none) return std::nullopt;
  const auto number = (static_cast<unsigned>(type) >> kReasonShift) & 0xff;
  if (number < 1 || number > static_cast<unsigned>(CancelReason::lost_leadership) + 1) {
    return CancelReason::shutdown;  // somebody else's signal carries none
  }
  return static_cast<CancelReason>(number - 1);
}

// What a coroutine remembers of a cancellation, and what its operations get to see.
struct KeepReason {
  asio::cancellation_type operator()(asio::cancellation_type type) const {
    const auto wanted = type & asio::cancellation_type::terminal;
    return wanted == asio::cancellation_type::none ? wanted : type;
  }
};
using DropReason = asio::enable_terminal_cancellation;

// The frame under everything that base starts: it turns off Asio's rule that any co_await of a
// cancelled coroutine throws, because then nothing could be cleaned up by calling a coroutine.
Async<void> root_frame(Async<void> work) {
  co_await this_coro::throw_if_cancelled(false);
  co_await this_coro::reset_cancellation_state(KeepReason{}, DropReason{});
  co_await std::move(work);
}

}  // namespace

namespace detail {

void Canceller::cancel(CancelReason reason) { signal_.emit(with_reason(reason)); }

void start(const Executor& executor, Async<void> work, Canceller* canceller,
           std::function<void(std::exception_ptr)> ended) {
  const auto slot = canceller == nullptr ? asio::cancellation_slot() : canceller->slot();
  asio::co_spawn(
      executor, root_frame(std::move(work)),
      asio::bind_cancellation_slot(
          slot, [ended = std::move(ended)](const std::exception_ptr& failure) { ended(failure); }));
}

Async<std::optional<CancelReason>> cancel_reason() {
  const auto state = co_await this_coro::cancellation_state;
  co_return reason_in(state.cancelled());
}

}  // namespace detail

bool is_cancellation(const std::exception_ptr& failure) {
  if (!failure) return false;
  try {
    std::rethrow_exception(failure);
  } catch (const Cancelled&) {
    return true;
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

Async<Executor> current_executor() { co_return co_await this_coro::executor; }

Async<void> throw_if_cancelled() {
  const auto state = co_await this_coro::cancellation_state;
  if (const auto reason = reason_in(state.cancelled())) throw Cancelled(*reason);
}

// --- Signal --------------------------------------------------------------------------------------

struct Signal::State {
  std::list<std::shared_ptr<detail::Suspended>> waiters;
};

Signal::Signal() : state_(std::make_shared<State>()) {}
Signal::~Signal() = default;

void Signal::notify() {
  // Taken first: whoever is woken may wait again, for the next notify.
  const auto waiters = std::exchange(state_->waiters, {});
  for (const auto& waiter : waiters) waiter->resume(true);
}

Async<void> Signal::wait() {
  co_await throw_if_cancelled();
  const auto state = state_;
  const bool woken = co_await detail::suspend([state](std::shared_ptr<detail::Suspended> self) {
    state->waiters.push_back(self);
    self->on_cancel([state, self] {
      state->waiters.remove(self);
      self->resume(false);
    });
  });
  if (!woken) co_await throw_if_cancelled();
}

// --- Scope ---------------------------------------------------------------------------------------

struct Scope::State {
  struct Child {
    std::string name;
    detail::Canceller canceller;
  };
  Executor executor;
  std::string name;
  std::list<std::shared_ptr<Child>> children;
  std::optional<CancelReason> reason;
  std::exception_ptr failure;
  Signal child_ended;

  void cancel(CancelReason why) {
    if (reason) return;
    reason = why;
    const auto told = children;  // a child may spawn or end while others are told
    for (const auto& child : told) child->canceller.cancel(why);
  }
  void ended(const std::shared_ptr<Child>& child, const std::exception_ptr& thrown) {
    children.remove(child);
    if (thrown && !is_cancellation(thrown)) {
      if (!failure) failure = thrown;
      cancel(CancelReason::shutdown);
    }
    if (children.empty()) child_ended.notify();
  }
  static Async<void> all_ended(std::shared_ptr<State> state);
};

Scope::Scope(Executor executor, std::string name) : state_(std::make_shared<State>()) {
  state_->executor = std::move(executor);
  state_->name = std::move(name);
}

Scope::~Scope() {
  if (state_->children.empty()) return;
  broken_invariant("scope \"" + state_->name + "\" ended before its child \"" +
                   state_->children.front()->name + "\"");
}

void Scope::spawn(std::string name, Async<void> work) {
  auto child = std::make_shared<State::Child>();
  child->name = std::move(name);
  state_->children.push_back(child);
  // Posted, so that children start in order and never inside the frame that spawns them.
  asio::post(state_->executor, [state = state_, child, work = std::move(work)]() mutable {
    if (state->reason) {
      {
        // Gone before its end is told. (Assigning to an awaitable leaks its frame.)
        const Async<void> dropped = std::move(work);
      }
      state->ended(child, nullptr);
      return;
    }
    auto& canceller = child->canceller;
    auto& executor = state->executor;
    detail::start(
        executor, std::move(work), &canceller,
        [state, child](const std::exception_ptr& thrown) { state->ended(child, thrown); });
  });
}

void Scope::cancel(CancelReason reason) { state_->cancel(reason); }
bool Scope::cancelled() const { return state_->reason.has_value(); }
std::size_t Scope::running() const { return state_->children.size(); }
Executor Scope::executor() const { return state_->executor; }

Async<void> Scope::State::all_ended(std::shared_ptr<State> state) {
  while (!state->children.empty()) co_await state->child_ended.wait();
}

Async<void> Scope::join() {
  const auto state = state_;
  auto mine = co_await detail::cancel_reason();
  try {
    if (!mine) co_await State::all_ended(state);
  } catch (const Cancelled& cancelled) {
    mine = cancelled.reason();
  }
  if (mine) {
    state->cancel(*mine);
    co_await uninterrupted(State::all_ended(state));
  } else {
    mine = co_await detail::cancel_reason();  // it came after the last child's end
  }
  if (state->failure) std::rethrow_exception(state->failure);
  if (mine) throw Cancelled(*mine);
}

Async<void> all(std::vector<Async<void>> works) {
  Scope scope(co_await this_coro::executor, "all");
  for (auto& work : works) scope.spawn("all", std::move(work));
  works.clear();
  co_await scope.join();
}

// --- shields and limits --------------------------------------------------------------------------

Async<void> uninterrupted(Async<void> undo) {
  // Run beside this coroutine, out of reach of its cancellation; this wait takes none either.
  struct Outcome {
    std::exception_ptr failure;
    std::shared_ptr<detail::Suspended> waiting;
  };
  const auto outcome = std::make_shared<Outcome>();
  const Executor executor = co_await this_coro::executor;
  co_await detail::suspend([&](std::shared_ptr<detail::Suspended> self) {
    outcome->waiting = std::move(self);
    detail::start(executor, std::move(undo), nullptr, [outcome](const std::exception_ptr& thrown) {
      outcome->failure = thrown;
      std::exchange(outcome->waiting, nullptr)->resume(true);
    });
  });
  if (outcome->failure) std::rethrow_exception(outcome->failure);
}

Async<void> with_undo(Async<void> work, std::function<Async<void>()> undo) {
  std::exception_ptr failure;
  try {
    co_await std::move(work);
    co_return;
  } catch (...) {
    failure = std::current_exception();
  }
  std::optional<Error> undo_failure;
  try {
    co_await uninterrupted(undo());
  } catch (const Error& error) {
    undo_failure = error;
  } catch (const std::exception& error) {
    undo_failure = Error(Reason::internal_error, error.what());
  }
  if (undo_failure) {
    try {
      std::rethrow_exception(failure);
    } catch (Error& first) {
      first.attach_undo_failure(*undo_failure);
      throw;
    }
  }
  std::rethrow_exception(failure);
}

namespace {

// Tells an end by itself, also a cancellation of its own making, from one that a limit caused.
struct LimitedOutcome {
  bool finished = false;
  std::exception_ptr cancellation;
};

Async<void> watch_outcome(Async<void> work, LimitedOutcome& outcome) {
  try {
    co_await std::move(work);
    outcome.finished = true;
  } catch (...) {
    if (is_cancellation(std::current_exception())) outcome.cancellation = std::current_exception();
    throw;
  }
}

}  // namespace

Async<bool> detail::run_limited(Clock& clock, Duration limit, Async<void> work) {
  Scope scope(co_await this_coro::executor, "deadline");
  LimitedOutcome outcome;
  scope.spawn("limited", watch_outcome(std::move(work), outcome));
  bool late = false;
  const auto timer = clock.arm(clock.now() + limit, [&] {
    late = true;
    scope.cancel(CancelReason::deadline);
  });
  std::exception_ptr failure;
  try {
    co_await scope.join();
  } catch (...) {
    failure = std::current_exception();
  }
  clock.disarm(timer);
  if (failure) std::rethrow_exception(failure);
  if (outcome.finished) co_return false;
  if (late) co_return true;
  if (outcome.cancellation) std::rethrow_exception(outcome.cancellation);
  co_return false;
}

// --- time ----------------------------------------------------------------------------------------

Async<void> sleep_until(Clock& clock, Instant deadline) {
  co_await throw_if_cancelled();
  const bool woken = co_await detail::suspend([&](std::shared_ptr<detail::Suspended> self) {
    const auto timer = clock.arm(deadline, [self] { self->resume(true); });
    self->on_cancel([&clock, self, timer] {
      clock.disarm(timer);
      self->resume(false);
    });
  });
  if (!woken) co_await throw_if_cancelled();
}

Async<void> sleep_for(Clock& clock, std::chrono::microseconds duration) {
  co_await sleep_until(clock, clock.now() + duration);
}

Async<void> drain(Scope& scope) {
  try {
    co_await scope.join();
  } catch (const Cancelled&) {
    // Cancelled by its owner, who waits here for the end.
  }
}

}  // namespace ruche
