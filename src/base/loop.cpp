#include "base/loop.hpp"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <csignal>
#include <map>
#include <unordered_map>

#include "base/async_start.hpp"
#include "base/timed_executor.hpp"

namespace ruche {
namespace asio = boost::asio;
namespace {

std::chrono::nanoseconds read_clock(clockid_t which) {
  timespec time{};
  ::clock_gettime(which, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// One timerfd on CLOCK_BOOTTIME, set to the earliest deadline: it also rings after a suspend.
class RealClock final : public Clock {
 public:
  explicit RealClock(asio::io_context& context)
      : bell_(context, ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC)) {
    listen();
  }

  Instant now() const override {
    return {std::chrono::duration_cast<std::chrono::microseconds>(read_clock(CLOCK_BOOTTIME))};
  }
  Timestamp wall() const override {
    const auto since_epoch = read_clock(CLOCK_REALTIME);
    return {std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count()};
  }

  TimerId arm(Instant deadline, std::function<void()> fire) override {
    const TimerId id = ++last_id_;
    deadlines_.emplace(id, deadline);
    const auto at = timers_.emplace(Key{deadline, id}, std::move(fire)).first;
    if (at == timers_.begin()) set_bell();
    return id;
  }

  void disarm(TimerId id) override {
    const auto found = deadlines_.find(id);
    if (found == deadlines_.end()) return;
    timers_.erase(Key{found->second, id});
    deadlines_.erase(found);
    // The bell may now ring too early, which is harmless, and cheaper than setting it again.
  }

 private:
  using Key = std::pair<Instant, TimerId>;

  void set_bell() {
    if (timers_.empty()) return;
    // A deadline of zero or before would switch the timerfd off.
    const auto wanted = timers_.begin()->first.first.since_start;
    const auto at = std::max<std::int64_t>(wanted.count(), 1);
    itimerspec when{};
    when.it_value.tv_sec = at / 1'000'000;
    when.it_value.tv_nsec = at % 1'000'000 * 1000;
    ::timerfd_settime(bell_.native_handle(), TFD_TIMER_ABSTIME, &when, nullptr);
  }

  void listen() {
    bell_.async_wait(
        asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& failed) {
          if (failed) return;
          std::uint64_t rings = 0;
          [[maybe_unused]] const auto size = ::read(bell_.native_handle(), &rings, sizeof rings);
          fire_due();
          set_bell();
          listen();
        });
  }

  void fire_due() {
    // Timers armed by the callbacks wait for the next ring, even when they are due already.
    const Key end{now(), last_id_};
    while (!timers_.empty() && timers_.begin()->first <= end) {
      auto timer = timers_.extract(timers_.begin());
      deadlines_.erase(timer.key().second);
      timer.mapped()();
    }
  }

  asio::posix::stream_descriptor bell_;
  TimerId last_id_ = 0;
  std::map<Key, std::function<void()>> timers_;
  std::unordered_map<TimerId, Instant> deadlines_;
};

}  // namespace

struct Loop::State {
  asio::io_context context{1};
  RealClock clock{context};
  LagProbe lag;
};

Loop::Loop() : state_(std::make_unique<State>()) {}
Loop::~Loop() = default;

Executor Loop::executor() { return TimedExecutor(state_->context.get_executor(), &state_->lag); }
Clock& Loop::clock() { return state_->clock; }

Duration Loop::worst_lag() {
  const auto worst = std::exchange(state_->lag.worst, std::chrono::nanoseconds(0));
  return std::chrono::duration_cast<Duration>(worst);
}

namespace {

// Cancels the work at every signal.
struct SignalWatch {
  asio::signal_set signals;
  detail::Canceller canceller;
  bool stopped = false;

  void listen() {
    signals.async_wait([this](const boost::system::error_code& failed, int) {
      if (failed) return;
      stopped = true;
      canceller.cancel(CancelReason::shutdown);
      listen();
    });
  }
};

}  // namespace

void Loop::run(Async<void> work, Options options) {
  asio::io_context& context = state_->context;
  SignalWatch watch{asio::signal_set(context), {}};
  if (options.stop_on_signals) {
    watch.signals.add(SIGTERM);
    watch.signals.add(SIGINT);
    watch.listen();
  }
  bool ended = false;
  std::exception_ptr failure;
  context.restart();
  detail::start(executor(), std::move(work), &watch.canceller,
                [&](const std::exception_ptr& thrown) {
                  ended = true;
                  failure = thrown;
                });
  while (!ended) context.run_one();
  watch.signals.cancel();
  while (context.poll() > 0) {
  }
  if (watch.stopped && is_cancellation(failure)) throw Cancelled(CancelReason::shutdown);
  if (failure) std::rethrow_exception(failure);
}

void Loop::run(Async<void> work) { run(std::move(work), Options{}); }

}  // namespace ruche
