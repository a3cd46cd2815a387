// pump stands between a guest's serial socket and the daemon while somebody watches. QEMU stalls
// the guest when a connected reader does not read; pump always reads, even when the daemon is
// stopped, and drops the oldest output instead. It ends when either side does.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "drivers/qemu/pump_protocol.hpp"
#include "queue.hpp"

namespace ruche::pump {

namespace {

namespace protocol = drivers::qemu::pump;

constexpr std::size_t kOutputLimit = 256 * 1024;
constexpr std::size_t kInputLimit = 64 * 1024;
constexpr int kLeaveMilliseconds = 2000;  // a QEMU that is stopped never closes

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

class Pump {
 public:
  void run() {
    while (!daemon_gone_ && !(serial_gone_ && queue_.empty())) {
      pollfd serial{protocol::kSerialDescriptor, POLLIN, 0};
      if (!input_.empty()) serial.events |= POLLOUT;
      if (serial_gone_) serial.fd = -1;
      pollfd daemon{protocol::kDaemonDescriptor, 0, 0};
      if (input_.size() < kInputLimit) daemon.events |= POLLIN;
      if (!queue_.empty()) daemon.events |= POLLOUT;
      pollfd both[] = {serial, daemon};
      if (::poll(both, 2, -1) < 0 && errno != EINTR) break;
      if (both[0].revents != 0) read_serial();
      if ((both[1].revents & (POLLHUP | POLLERR)) != 0) break;
      if ((both[1].revents & POLLIN) != 0) read_daemon();
      write_serial();
      write_daemon();
    }
    leave();
  }

 private:
  void read_serial() {
    char part[protocol::kLongestMessage - 1];
    while (!serial_gone_) {
      const auto got = ::recv(protocol::kSerialDescriptor, part, sizeof part, MSG_DONTWAIT);
      if (got < 0 && would_block()) return;
      if (got <= 0) {
        serial_gone_ = true;
        return;
      }
      queue_.output({part, static_cast<std::size_t>(got)});
    }
  }

  // QEMU closes first. A connection that breaks while the guest writes would cost some output in
  // QEMU's ring too: its hub passes over the ring for what it could not write to the socket.
  void leave() {
    ::shutdown(protocol::kSerialDescriptor, SHUT_WR);
    char part[protocol::kLongestMessage];
    pollfd serial{protocol::kSerialDescriptor, POLLIN, 0};
    while (!serial_gone_ && ::poll(&serial, 1, kLeaveMilliseconds) > 0) {
      const auto got = ::recv(protocol::kSerialDescriptor, part, sizeof part, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && !would_block())) serial_gone_ = true;
    }
  }

  void read_daemon() {
    char message[protocol::kLongestMessage];
    const auto got = ::recv(protocol::kDaemonDescriptor, message, sizeof message, MSG_DONTWAIT);
    if (got < 0 && would_block()) return;
    if (got <= 0) {
      daemon_gone_ = true;
    } else if (message[0] == protocol::kInput) {
      input_.append(message + 1, static_cast<std::size_t>(got) - 1);
    } else if (message[0] == protocol::kSync) {
      read_serial();
      queue_.synced();
    }
  }

  // A guest that does not read its serial line makes the daemon wait, not us.
  void write_serial() {
    if (serial_gone_) input_.clear();
    while (!input_.empty()) {
      const auto sent = ::send(protocol::kSerialDescriptor, input_.data(), input_.size(),
                               MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0) {
        if (!would_block()) serial_gone_ = true;
        return;
      }
      input_.erase(0, static_cast<std::size_t>(sent));
    }
  }

  void write_daemon() {
    while (!queue_.empty()) {
      const auto message = queue_.front();
      const auto sent = ::send(protocol::kDaemonDescriptor, message.data(), message.size(),
                               MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0) {
        if (!would_block()) daemon_gone_ = true;
        return;
      }
      queue_.pop();
    }
  }

  Queue queue_{kOutputLimit};
  std::string input_;
  bool serial_gone_ = false;
  bool daemon_gone_ = false;
};

}  // namespace
}  // namespace ruche::pump

int main() { ruche::pump::Pump().run(); }
