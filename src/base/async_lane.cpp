#include <pthread.h>
#include <signal.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/async.hpp"
#include "base/async_suspend.hpp"

namespace ruche {

struct Lane::State {
  struct Job {
    std::function<void()> work;
    std::function<void()> then;  // wakes the loop's side
    boost::asio::executor_work_guard<Executor> loop_stays;
  };
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> jobs;
  bool closing = false;
  std::thread thread;

  void serve(const std::string& name);
};

void Lane::State::serve(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return closing || !jobs.empty(); });
    if (jobs.empty()) return;
    Job job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    job.work();
    // The function refers to the caller's frame: it goes before the caller may go on.
    job.work = nullptr;
    job.then();
    job.then = nullptr;
    job.loop_stays.reset();
    lock.lock();
  }
}

Lane::Lane(std::string name) : state_(std::make_shared<State>()) {
  // Signals belong to the loop's thread.
  sigset_t everything, before;
  ::sigfillset(&everything);
  ::pthread_sigmask(SIG_SETMASK, &everything, &before);
  state_->thread =
      std::thread([state = state_.get(), name = std::move(name)] { state->serve(name); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Lane::~Lane() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
  }
  state_->changed.notify_one();
  state_->thread.join();
}

Async<void> Lane::run_erased(std::function<void()> work) {
  co_await throw_if_cancelled();
  State* const state = state_.get();
  co_await detail::suspend([&](std::shared_ptr<detail::Suspended> self) {
    const Executor executor = self->executor();
    {
      const std::lock_guard lock(state->mutex);
      state->jobs.push_back({std::move(work), [self = std::move(self)] { self->resume(true); },
                             boost::asio::executor_work_guard<Executor>(executor)});
    }
    state->changed.notify_one();
  });
}

void Lane::post(std::function<void()> work, Executor executor, std::function<void()> then) {
  {
    const std::lock_guard lock(state_->mutex);
    auto wake = [executor, then = std::move(then)]() mutable {
      boost::asio::post(executor, std::move(then));
    };
    state_->jobs.push_back(
        {std::move(work), std::move(wake), boost::asio::executor_work_guard<Executor>(executor)});
  }
  state_->changed.notify_one();
}

std::size_t Lane::waiting() const {
  const std::lock_guard lock(state_->mutex);
  return state_->jobs.size();
}

}  // namespace ruche
