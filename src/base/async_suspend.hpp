// One suspended coroutine and whoever will wake it: the base of every wait in this room. Internal
// to base: it pulls in Asio.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/async.hpp"

namespace ruche::detail {

// Resumed exactly once, always through its executor and so in order; later calls do nothing. Owned
// by whoever will wake it, and by the cancellation slot until the coroutine goes on.
class Suspended {
 public:
  template <class Handler>
  explicit Suspended(Handler handler)
      : executor_(boost::asio::get_associated_executor(handler)),
        slot_(boost::asio::get_associated_cancellation_slot(handler)),
        handler_(std::move(handler)) {}

  const Executor& executor() const { return executor_; }

  // `woken` is what suspend() returns: false after a cancellation.
  void resume(bool woken) {
    if (!handler_) return;
    boost::asio::post(executor_, [handler = std::exchange(handler_, nullptr), woken]() mutable {
      handler({}, woken);
    });
  }

  // Called when the coroutine is cancelled while it stands here. Without it, nothing happens then.
  template <class F>
  void on_cancel(F interrupt) {
    if (!slot_.is_connected()) return;
    slot_.assign([this, interrupt = std::move(interrupt)](boost::asio::cancellation_type type) {
      if (type == boost::asio::cancellation_type::none || !handler_) return;
      interrupt();
    });
  }

 private:
  Executor executor_;
  boost::asio::cancellation_slot slot_;
  std::move_only_function<void(boost::system::error_code, bool)> handler_;
};

// Suspends the current coroutine; start(shared_ptr<Suspended>) arranges its waking. The slot's
// handler must own the Suspended (capture it), because it looks at it. Start is called once, while
// the frame of the caller stands, so it may refer to it.
template <class Start>
Async<bool> suspend(Start start) {
  using Token = const boost::asio::use_awaitable_t<Executor>;
  co_return co_await boost::asio::async_initiate<Token, void(boost::system::error_code, bool)>(
      [&start](auto handler) { start(std::make_shared<Suspended>(std::move(handler))); },
      boost::asio::use_awaitable);
}

}  // namespace ruche::detail
