// An executor that measures how long each handler keeps the loop busy. Internal to base.
#pragma once

#include <time.h>

#include <boost/asio/execution.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <chrono>
#include <utility>

namespace ruche {

// Owned by the loop; outlives every executor that points to it.
struct LagProbe {
  std::chrono::nanoseconds worst{0};
  bool running = false;  // a handler dispatched from within another is part of it
};

template <class Inner>
class TimedExecutor {
 public:
  TimedExecutor(Inner inner, LagProbe* probe) : inner_(std::move(inner)), probe_(probe) {}

  template <class F>
  void execute(F&& work) const {
    inner_.execute([work = std::forward<F>(work), probe = probe_]() mutable {
      if (std::exchange(probe->running, true)) {
        std::move(work)();
        return;
      }
      const Stopwatch stopwatch{probe, read()};
      std::move(work)();
    });
  }

  template <class Property>
  auto query(const Property& property) const
      -> decltype(boost::asio::query(std::declval<const Inner&>(), property)) {
    return boost::asio::query(inner_, property);
  }
  template <class Property>
  auto require(const Property& property) const -> TimedExecutor<
      std::decay_t<decltype(boost::asio::require(std::declval<const Inner&>(), property))>> {
    return {boost::asio::require(inner_, property), probe_};
  }
  template <class Property>
  auto prefer(const Property& property) const -> TimedExecutor<
      std::decay_t<decltype(boost::asio::prefer(std::declval<const Inner&>(), property))>> {
    return {boost::asio::prefer(inner_, property), probe_};
  }

  friend bool operator==(const TimedExecutor& a, const TimedExecutor& b) noexcept {
    return a.inner_ == b.inner_ && a.probe_ == b.probe_;
  }
  friend bool operator!=(const TimedExecutor& a, const TimedExecutor& b) noexcept {
    return !(a == b);
  }

 private:
  template <class>
  friend class TimedExecutor;

  static std::chrono::nanoseconds read() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  struct Stopwatch {
    LagProbe* probe;
    std::chrono::nanoseconds begin;
    ~Stopwatch() {
      const auto took = read() - begin;
      if (took > probe->worst) probe->worst = took;
      probe->running = false;
    }
  };

  Inner inner_;
  LagProbe* probe_;
};

}  // namespace ruche
