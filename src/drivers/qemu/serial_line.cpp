#include "drivers/qemu/serial_line.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/base64.hpp"
#include "drivers/qemu/command_line.hpp"
#include "drivers/qemu/pump_protocol.hpp"
#include "drivers/qemu/serial_text.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kHistory = 64 * 1024;
constexpr std::size_t kWatcherLimit = 256 * 1024;
constexpr std::size_t kInputPart = 4096;
constexpr Duration kPumpLimit = std::chrono::seconds(5);
constexpr Duration kConnectionPause = std::chrono::milliseconds(2);

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

[[noreturn]] void fail(const std::string& what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

// The listener is local and has a backlog: connecting does not wait.
Descriptor connect_to(const GuestDirectory& directory, std::string_view name) {
  const auto where = directory.address(name);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) fail("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(where.path.begin(), where.path.end(), address.sun_path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail(directory.file(name));
  }
  return socket;
}

Async<void> send_packet(int socket, std::string packet) {
  while (::send(socket, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (!would_block()) throw Error(Reason::peer_gone, "the guest's serial line has ended");
    co_await wait_writable(socket);
  }
}

std::size_t gap_of(std::string_view packet) {
  std::uint64_t gap = 0;
  for (std::size_t byte = 0; byte < 8 && byte + 1 < packet.size(); ++byte) {
    gap |= static_cast<std::uint64_t>(static_cast<unsigned char>(packet[byte + 1])) << (8 * byte);
  }
  return static_cast<std::size_t>(gap);
}

Async<void> wait_for_end(ports::Process& process) { co_await process.wait(); }

}  // namespace

// --- Watcher ---------------------------------------------------------------------------------

void Watcher::push(std::string_view data, std::size_t dropped) {
  dropped_ += dropped;
  if (!data.empty()) {
    outputs_.push_back({std::string(data), std::exchange(dropped_, 0)});
    bytes_ += data.size();
  }
  while (bytes_ > kWatcherLimit && outputs_.size() > 1) {
    const auto& oldest = outputs_.front();
    bytes_ -= oldest.data.size();
    outputs_[1].dropped += oldest.data.size() + oldest.dropped;
    outputs_.pop_front();
  }
  changed_.notify();
}

void Watcher::end() {
  ended_ = true;
  changed_.notify();
}

Async<std::optional<ports::ConsoleOutput>> Watcher::read() {
  while (outputs_.empty()) {
    if (ended_) co_return std::nullopt;
    co_await changed_.wait();
  }
  std::optional<ports::ConsoleOutput> first(std::move(outputs_.front()));
  outputs_.pop_front();
  bytes_ -= first->data.size();
  co_return first;
}

// --- SerialLine ------------------------------------------------------------------------------

SerialLine::SerialLine(Services services, Options options, std::shared_ptr<QmpSession> qmp)
    : services_(services), options_(std::move(options)), qmp_(std::move(qmp)) {}

void SerialLine::change(State state) {
  state_ = state;
  changed_.notify();
}

Async<std::shared_ptr<Watcher>> SerialLine::attach() {
  const auto self = shared_from_this();
  while (state_ == State::starting || state_ == State::stopping) co_await changed_.wait();
  if (state_ == State::ended) throw Error(Reason::hypervisor_failed, "the guest is gone");
  if (state_ == State::idle) {
    change(State::starting);
    co_await with_undo(start(), [self] { return self->stop_pump(); });
  }
  auto watcher = std::make_shared<Watcher>();
  watchers_.push_back(watcher);
  watcher->push(history_, 0);
  if (state_ == State::ended) watcher->end();
  co_return watcher;
}

void SerialLine::detach(const std::shared_ptr<Watcher>& watcher) {
  std::erase(watchers_, watcher);
  if (!watchers_.empty() || state_ != State::streaming) return;
  change(State::stopping);
  ::shutdown(socket_.get(), SHUT_RDWR);  // the stream's reader ends and cleans up
}

Async<void> SerialLine::write(std::string data) {
  const auto self = shared_from_this();
  for (std::size_t at = 0; at < data.size(); at += kInputPart) {
    if (state_ != State::streaming) {
      throw Error(Reason::hypervisor_failed, "the guest's serial line has ended");
    }
    co_await send_packet(socket_.get(), pump::kInput + data.substr(at, kInputPart));
  }
}

// With a pump, its reader sees the end after the last output.
void SerialLine::end() {
  gone_ = true;
  if (state_ == State::idle) change(State::ended);
}

// One reading before the connection, so that the one after it is short.
Async<void> SerialLine::start() {
  history_ = options_.directory.tail(options_.port.tail(), kHistory);
  co_await keep_history(co_await read_ring());
  co_await with_deadline(services_.clock, kPumpLimit, "starting the console's pump",
                         connect_pump());
  co_await with_deadline(services_.clock, kPumpLimit, "the console's pump", catch_up());
  change(State::streaming);
  services_.scope.spawn("console", stream());
}

// QEMU serves one connection; that of an earlier pump must be gone, and ours accepted.
Async<void> SerialLine::await_connection(bool wanted) {
  while (co_await is_connected() != wanted) co_await sleep_for(services_.clock, kConnectionPause);
}

Async<bool> SerialLine::is_connected() {
  const auto watch = options_.port.watch();
  const auto devices = co_await qmp_->execute("query-chardev");
  if (!devices.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's devices are no list");
  for (const auto& device : devices.get_array()) {
    const auto& fields = as_object(device);
    if (text_member(fields, "label") != watch) continue;
    co_return !text_member(fields, "filename").starts_with("disconnected:");
  }
  throw Error(Reason::hypervisor_failed, "QEMU no longer has the guest's serial socket");
}

Async<void> SerialLine::connect_pump() {
  co_await await_connection(false);
  const auto serial = connect_to(options_.directory, options_.port.socket());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    fail("socketpair");
  }
  socket_ = Descriptor(ends[0]);
  const Descriptor theirs(ends[1]);
  ports::SpawnRequest request;
  request.name = "pump";
  request.argv = {options_.pump_path, to_text(options_.guest)};
  request.descriptors = {{serial.get(), pump::kSerialDescriptor},
                         {theirs.get(), pump::kDaemonDescriptor}};
  request.confinement.user = options_.uid;
  request.confinement.group = options_.uid;
  request.confinement.execute_paths = {options_.pump_path};
  request.confinement.cgroup = to_text(options_.guest);
  // It ends by itself when our end closes, in order; killed, it would cost the guest some output.
  pump_ = co_await services_.processes.spawn(std::move(request));
  co_await await_connection(true);
}

Async<void> SerialLine::catch_up() {
  auto ring = co_await read_ring();
  co_await send_packet(socket_.get(), std::string(1, pump::kSync));
  std::string received;
  while (true) {
    const auto next = co_await receive();
    if (next.ended) throw Error(Reason::hypervisor_failed, "the guest's serial line has ended");
    received += next.data;
    if (next.synced) break;
  }
  const auto repeated = overlap(ring, received);
  co_await keep_history(std::move(ring));
  history_ += received.substr(repeated);
  keep_tail(history_, kHistory);
}

Async<std::string> SerialLine::read_ring() {
  json::Object arguments{
      {"device", options_.port.ring()}, {"size", kRingSize.count}, {"format", "base64"}};
  const auto answer = co_await qmp_->execute("ringbuf-read", std::move(arguments));
  if (!answer.is_string()) throw Error(Reason::hypervisor_failed, "QEMU's ring is not text");
  auto bytes = parse_base64(std::string_view(answer.get_string()));
  if (!bytes) throw Error(Reason::hypervisor_failed, "QEMU's ring is not base64");
  co_return std::move(*bytes);
}

// A disk that is full costs what a dead daemon would have remembered, not the console.
Async<void> SerialLine::keep_history(std::string more) {
  history_ += more;
  keep_tail(history_, kHistory);
  if (more.empty()) co_return;
  try {
    co_await services_.lane.run(
        [directory = options_.directory, name = options_.port.tail(), history = history_] {
          directory.write(name, history, GuestDirectory::Durability::none);
        });
  } catch (const Error& error) {
    services_.log.warning("qemu", error.full_message(), {{"guest", to_text(options_.guest)}});
  }
}

Async<SerialLine::Received> SerialLine::receive() {
  Received received;
  std::string packet(pump::kLongestMessage, '\0');
  while (true) {
    const auto got = ::recv(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (got < 0 && would_block()) {
      if (!received.data.empty() || received.dropped != 0) co_return received;
      co_await wait_readable(socket_.get());
      continue;
    }
    received.ended = got <= 0;
    if (received.ended) co_return received;
    const std::string_view message(packet.data(), static_cast<std::size_t>(got));
    if (message.front() == pump::kGap) {
      received.dropped += gap_of(message);
      continue;
    }
    received.synced = message.front() == pump::kSynced;
    if (message.front() == pump::kOutput) received.data = message.substr(1);
    co_return received;
  }
}

void SerialLine::fan_out(std::string_view data, std::size_t dropped) {
  history_ += data;
  keep_tail(history_, kHistory);
  for (const auto& watcher : watchers_) watcher->push(data, dropped);
}

// Runs while somebody watches. Ends with the last watcher, with the guest, or with the daemon.
Async<void> SerialLine::stream() {
  const auto self = shared_from_this();
  std::exception_ptr stopped;
  try {
    while (true) {
      const auto received = co_await receive();
      fan_out(received.data, received.dropped);
      if (received.ended) break;
    }
  } catch (const std::exception&) {
    stopped = std::current_exception();
  }
  const bool wanted = state_ == State::stopping;
  co_await uninterrupted(stop_pump());
  if (!wanted) {
    const auto left = std::exchange(watchers_, {});
    for (const auto& watcher : left) watcher->end();
  }
  if (stopped && is_cancellation(stopped)) std::rethrow_exception(stopped);
}

Async<void> SerialLine::stop_pump() {
  socket_.reset();
  if (pump_) {
    // It ends by itself when the socket closes; an error here leaves only a process that will.
    try {
      co_await with_deadline(services_.clock, kPumpLimit, "the end of a pump",
                             wait_for_end(*pump_));
    } catch (const Error& error) {
      services_.log.warning("qemu", error.full_message(), {{"guest", to_text(options_.guest)}});
      pump_->signal(SIGKILL);
    }
    pump_.reset();
  }
  history_.clear();
  change(gone_ ? State::ended : State::idle);
}

}  // namespace ruche::drivers::qemu
