#include <fcntl.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstring>

#include "base/async.hpp"

namespace ruche {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;

// Waiting makes the open file non-blocking, which the caller (and whoever shares the file: a
// terminal) did not ask for.
class KeepBlockingMode {
 public:
  explicit KeepBlockingMode(int descriptor)
      : descriptor_(descriptor), flags_(::fcntl(descriptor, F_GETFL)) {}
  ~KeepBlockingMode() {
    if (flags_ >= 0 && (flags_ & O_NONBLOCK) == 0) ::fcntl(descriptor_, F_SETFL, flags_);
  }
  KeepBlockingMode(const KeepBlockingMode&) = delete;
  KeepBlockingMode& operator=(const KeepBlockingMode&) = delete;

 private:
  int descriptor_;
  int flags_;
};

// A copy is registered, so that a reader and a writer can wait for the same descriptor at once.
Async<void> wait_for(int descriptor, Descriptor::wait_type what) {
  co_await throw_if_cancelled();
  const Executor executor = co_await boost::asio::this_coro::executor;
  const KeepBlockingMode keep(descriptor);
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) {
    throw Error(Reason::io_failed,
                std::string("cannot wait for a descriptor: ") + std::strerror(errno));
  }
  Descriptor watched(executor);
  boost::system::error_code refused;
  watched.assign(copy, refused);
  if (refused) {
    ::close(copy);
    throw Error(Reason::io_failed, "cannot wait for a descriptor: " + refused.message());
  }
  co_await interruptible(watched.async_wait(what, boost::asio::use_awaitable));
}

}  // namespace

Async<void> wait_readable(int descriptor) { return wait_for(descriptor, Descriptor::wait_read); }
Async<void> wait_writable(int descriptor) { return wait_for(descriptor, Descriptor::wait_write); }

}  // namespace ruche
