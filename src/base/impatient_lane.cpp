#include "base/impatient_lane.hpp"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/executor_work_guard.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/async_suspend.hpp"

namespace ruche {

namespace {

// A function in the queue and who waits for it. Whoever takes `caller` first, under the lane's
// mutex, may wake it; the lane touches nothing of a caller that has left.
struct Job {
  std::function<void()> work;
  std::shared_ptr<detail::Suspended> caller;
  std::optional<boost::asio::executor_work_guard<Executor>> loop_stays;
};

}  // namespace

struct ImpatientLane::State {
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<Job>> jobs;
  std::shared_ptr<Job> running;
  bool closing = false;
  bool ended = false;

  void serve();
  void leave(const std::shared_ptr<Job>& job);
};

void ImpatientLane::State::serve() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return closing || !jobs.empty(); });
    if (closing) break;
    running = std::move(jobs.front());
    jobs.pop_front();
    const auto job = running;
    if (job->caller) {
      lock.unlock();
      job->work();
      lock.lock();
    }
    running.reset();
    if (auto caller = std::exchange(job->caller, nullptr)) {
      // Everything of a caller happens on its loop's thread, where it may be cancelled meanwhile.
      const Executor executor = caller->executor();
      boost::asio::post(executor, [caller = std::move(caller)] { caller->resume(true); });
      job->loop_stays.reset();
    }
  }
  ended = true;
  changed.notify_all();
}

void ImpatientLane::State::leave(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex);
  if (auto caller = std::exchange(job->caller, nullptr)) {
    caller->resume(false);
    job->loop_stays.reset();
  }
}

ImpatientLane::ImpatientLane(std::string name) : state_(std::make_shared<State>()) {
  // Signals belong to the loop's thread.
  sigset_t everything, before;
  ::sigfillset(&everything);
  ::pthread_sigmask(SIG_SETMASK, &everything, &before);
  std::thread thread([state = state_, name = std::move(name)] {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
    state->serve();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  thread.detach();  // it owns its state; the destructor waits for `ended`
}

ImpatientLane::~ImpatientLane() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, std::chrono::milliseconds(200), [this] { return state_->ended; });
}

bool ImpatientLane::stuck() const {
  const std::lock_guard lock(state_->mutex);
  return state_->running && !state_->running->caller;
}

Async<void> ImpatientLane::hand_over(std::shared_ptr<State> state, std::function<void()> work) {
  auto job = std::make_shared<Job>();
  job->work = std::move(work);
  co_await throw_if_cancelled();
  const bool woken = co_await detail::suspend([&](std::shared_ptr<detail::Suspended> self) {
    self->on_cancel([state, job, self] { state->leave(job); });
    const std::lock_guard lock(state->mutex);
    job->loop_stays.emplace(self->executor());
    job->caller = std::move(self);
    state->jobs.push_back(job);
    state->changed.notify_all();
  });
  if (!woken) co_await throw_if_cancelled();
}

}  // namespace ruche
