// How base starts a coroutine: internal to this room (scopes, the loops). Everything else spawns
// into a Scope.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <exception>
#include <functional>
#include <optional>

#include "base/async.hpp"

namespace ruche::detail {

// Asks one started coroutine to end, and carries the reason to it.
class Canceller {
 public:
  void cancel(CancelReason reason);
  boost::asio::cancellation_slot slot() { return signal_.slot(); }

 private:
  boost::asio::cancellation_signal signal_;
};

// Runs `work` on the executor at once (or at the loop's next turn when called from outside of it)
// and calls `ended` when its frame is gone. The canceller, if any, must live until then.
void start(const Executor& executor, Async<void> work, Canceller* canceller,
           std::function<void(std::exception_ptr failure)> ended);

// The reason carried by the current coroutine's cancellation; nothing while it is not cancelled.
Async<std::optional<CancelReason>> cancel_reason();

}  // namespace ruche::detail
