#include "net/stream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>

namespace ruche::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Generic = asio::generic::stream_protocol;

std::string errno_text(int number) { return std::generic_category().message(number); }

[[noreturn]] void throw_io(std::string_view what, int number) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, errno_text(number)));
}

// A descriptor with an owner, until a socket object takes it over.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Peer peer_of(int descriptor) {
  Peer peer;
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return peer;
  if (address.ss_family == AF_UNIX) {
    peer.address = "unix";
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      peer.credentials = PeerCredentials{credentials.uid, credentials.gid, credentials.pid};
    }
    return peer;
  }
  asio::ip::tcp::endpoint endpoint;
  if (length > endpoint.capacity()) return peer;
  std::memcpy(endpoint.data(), &address, length);
  endpoint.resize(length);
  auto address_of_peer = endpoint.address();
  // A socket for both families shows an IPv4 peer as ::ffff:192.0.2.1.
  if (address_of_peer.is_v6() && address_of_peer.to_v6().is_v4_mapped()) {
    address_of_peer = asio::ip::make_address_v4(asio::ip::v4_mapped, address_of_peer.to_v6());
  }
  const auto host = address_of_peer.to_string();
  peer.address = address_of_peer.is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                         : fmt::format("{}:{}", host, endpoint.port());
  return peer;
}

class SocketStream : public Stream {
 public:
  explicit SocketStream(Generic::socket socket)
      : socket_(std::move(socket)), peer_(peer_of(socket_.native_handle())) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
  }

  Async<std::size_t> read_some(std::span<char> into) override {
    co_await throw_if_cancelled();
    if (read_end_) {
      if (*read_end_ == asio::error::eof) co_return 0;
      throw gone(*read_end_);
    }
    error_code failed;
    const std::size_t count = co_await socket_.async_read_some(
        asio::buffer(into.data(), into.size()), asio::redirect_error(asio::use_awaitable, failed));
    if (!failed) co_return count;
    if (failed != asio::error::operation_aborted) read_end_ = failed;
    if (failed == asio::error::eof) co_return 0;
    co_await fail(failed);
    co_return 0;
  }

  Async<void> write_all(std::string_view bytes) override { return write_all(bytes, {}); }

  Async<void> write_all(std::string_view first, std::string_view second) override {
    co_await throw_if_cancelled();
    const std::array<asio::const_buffer, 2> pieces{asio::buffer(first.data(), first.size()),
                                                   asio::buffer(second.data(), second.size())};
    error_code failed;
    co_await asio::async_write(socket_, pieces, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_await fail(failed);
  }

  Async<void> write_with_descriptors(std::string_view bytes,
                                     std::span<const int> descriptors) override {
    if (!peer_.credentials) {
      throw Error(Reason::host_cannot, "only unix sockets can carry descriptors");
    }
    auto sent = try_send(bytes, descriptors);
    while (!sent) {
      co_await wait(Generic::socket::wait_write);
      sent = try_send(bytes, descriptors);
    }
    co_await write_all(bytes.substr(*sent));
  }

  bool write_now(std::string_view bytes) override {
    if (closed_ || bytes.empty()) return bytes.empty();
    const ssize_t count = ::send(native(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return count == static_cast<ssize_t>(bytes.size());
  }

  void shutdown_write() override {
    error_code ignored;
    socket_.shutdown(Generic::socket::shutdown_send, ignored);
  }

  void close() override {
    closed_ = true;
    error_code ignored;
    socket_.close(ignored);
  }

  Async<void> wait_hang_up() override {
    if (!peer_.credentials) co_return;
    while (!closed_ && !hung_up()) co_await wait(Generic::socket::wait_error);
  }

  bool idle() const override {
    if (closed_) return false;
    pollfd entry{native(), POLLIN | POLLRDHUP, 0};
    return ::poll(&entry, 1, 0) == 0;
  }

  const Peer& peer() const override { return peer_; }

 private:
  Async<void> wait(Generic::socket::wait_type what) {
    co_await throw_if_cancelled();
    error_code failed;
    co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_await fail(failed);
  }

  // An aborted operation was either cancelled or cut off by our own close().
  Async<void> fail(error_code failed) const {
    if (failed == asio::error::operation_aborted && !closed_) co_await throw_if_cancelled();
    throw gone(failed);
  }
  Error gone(const error_code& failed) const {
    if (closed_) return Error(Reason::peer_gone, "the connection was closed");
    return Error(Reason::peer_gone, "the connection broke: " + failed.message());
  }

  int native() const { return const_cast<Generic::socket&>(socket_).native_handle(); }

  bool hung_up() const {
    pollfd entry{native(), 0, 0};
    return ::poll(&entry, 1, 0) > 0;
  }

  // The number of bytes sent; nullopt when the socket is full.
  std::optional<std::size_t> try_send(std::string_view bytes, std::span<const int> descriptors) {
    constexpr std::size_t kMostDescriptors = 64;
    if (bytes.empty() || descriptors.size() > kMostDescriptors) {
      broken_invariant("write_with_descriptors needs a byte and at most 64 descriptors");
    }
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
      std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    while (true) {
      const ssize_t count = ::sendmsg(native(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno == EAGAIN) return std::nullopt;
      if (errno != EINTR) throw gone(error_code(errno, boost::system::system_category()));
    }
  }

  Generic::socket socket_;
  Peer peer_;
  bool closed_ = false;
  // How reading ended. Kept, because after it Asio would wait for an event that never comes.
  std::optional<error_code> read_end_;
};

std::unique_ptr<Stream> adopt(Executor executor, Descriptor descriptor, int family) {
  Generic::socket socket(std::move(executor));
  error_code failed;
  socket.assign(Generic(family, family == AF_UNIX ? 0 : IPPROTO_TCP), descriptor.get(), failed);
  if (failed) throw Error(Reason::io_failed, "cannot use the socket: " + failed.message());
  (void)descriptor.release();
  return std::make_unique<SocketStream>(std::move(socket));
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw Error(Reason::bad_format, fmt::format("'{}' cannot be the path of a unix socket", path))
        .remedy(fmt::format("choose a path of 1 to {} bytes", sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Descriptor unix_socket() {
  Descriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (descriptor.get() < 0) throw_io("cannot make a unix socket", errno);
  return descriptor;
}

// 0 or an errno. On unix sockets connect does not wait: EAGAIN means that the backlog is full.
int try_connect(int descriptor, const std::string& path) {
  const sockaddr_un address = unix_address(path);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(descriptor, raw, sizeof(address)) == 0 ? 0 : errno;
}

// A dead peer on TCP is noticed within about a minute even when nobody sends.
void keep_alive(asio::ip::tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  const int descriptor = socket.native_handle();
  const auto set = [&](int level, int option, int value) {
    (void)::setsockopt(descriptor, level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 20);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

Async<std::unique_ptr<Stream>> try_endpoint(asio::ip::tcp::endpoint endpoint, error_code& failed) {
  co_await throw_if_cancelled();
  asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, failed));
  if (failed) co_return nullptr;
  keep_alive(socket);
  co_return std::make_unique<SocketStream>(Generic::socket(std::move(socket)));
}

}  // namespace

Async<std::unique_ptr<Stream>> connect_unix(std::string path) {
  Executor executor = co_await asio::this_coro::executor;
  Descriptor descriptor = unix_socket();
  if (const int failed = try_connect(descriptor.get(), path); failed != 0) {
    throw Error(
        Reason::host_unavailable,
        fmt::format("nobody answers at {}: {}", path,
                    failed == EAGAIN ? "too many waiting connections" : errno_text(failed)));
  }
  co_return adopt(std::move(executor), std::move(descriptor), AF_UNIX);
}

Async<std::unique_ptr<Stream>> connect_tcp(TcpAddress address) {
  asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  error_code failed;
  std::vector<asio::ip::tcp::endpoint> endpoints;
  const auto numeric = asio::ip::make_address(address.host, failed);
  if (!failed) {
    endpoints.emplace_back(numeric, address.port);
  } else {
    const auto found =
        co_await resolver.async_resolve(address.host, std::to_string(address.port),
                                        asio::redirect_error(asio::use_awaitable, failed));
    co_await throw_if_cancelled();
    for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  }
  for (const auto& endpoint : endpoints) {
    auto stream = co_await try_endpoint(endpoint, failed);
    if (stream) co_return stream;
    co_await throw_if_cancelled();
  }
  throw Error(Reason::host_unavailable,
              fmt::format("nobody answers at {}: {}", where, failed.message()));
}

Connector unix_connector(std::string path) {
  return [path = std::move(path)] { return connect_unix(path); };
}
Connector tcp_connector(TcpAddress address) {
  return [address = std::move(address)] { return connect_tcp(address); };
}

std::unique_ptr<Stream> adopt_socket(Executor executor, int descriptor) {
  Descriptor owned(descriptor);
  int family = 0;
  socklen_t size = sizeof(family);
  if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) {
    throw_io("cannot use the descriptor as a socket", errno);
  }
  return adopt(std::move(executor), std::move(owned), family);
}

std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> stream_pair(Executor executor) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    throw_io("cannot make a pair of sockets", errno);
  }
  Descriptor first(ends[0]), second(ends[1]);
  auto one = adopt(executor, std::move(first), AF_UNIX);
  return {std::move(one), adopt(executor, std::move(second), AF_UNIX)};
}

// --- listening ------------------------------------------------------------------------------

namespace {

// Holds `<path>.lock` locked while a server lives, so that of two starting ones only one wins. The
// file is removed while the lock is held; a competitor that opened it before looks again.
class PathLock {
 public:
  explicit PathLock(std::string path) : path_(std::move(path)), descriptor_(lock()) {}
  ~PathLock() { ::unlink(path_.c_str()); }
  PathLock(const PathLock&) = delete;
  PathLock& operator=(const PathLock&) = delete;

 private:
  Descriptor lock() const {
    while (true) {
      Descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
      if (file.get() < 0) throw_io(fmt::format("cannot open {}", path_), errno);
      if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        throw Error(Reason::already_listening, fmt::format("another instance holds {}", path_))
            .remedy("stop it, or choose another socket path");
      }
      struct stat ours{}, named{};
      if (::fstat(file.get(), &ours) == 0 && ::stat(path_.c_str(), &named) == 0 &&
          ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
        return file;
      }
    }
  }

  std::string path_;
  Descriptor descriptor_;
};

void refuse_living_server(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return;
    throw_io(fmt::format("cannot look at {}", path), errno);
  }
  if (!S_ISSOCK(found.st_mode)) {
    throw Error(Reason::io_failed, fmt::format("{} exists and is not a socket", path))
        .remedy("remove it, or choose another socket path");
  }
  Descriptor probe = unix_socket();
  const int failed = try_connect(probe.get(), path);
  if (failed == 0 || failed == EAGAIN) {
    throw Error(Reason::already_listening, fmt::format("another instance listens on {}", path))
        .remedy("stop it, or choose another socket path");
  }
  if (failed != ECONNREFUSED && failed != ENOENT) {
    throw_io(fmt::format("cannot tell whether anybody listens on {}", path), failed);
  }
}

template <class Acceptor>
class SocketListener : public Listener {
 public:
  SocketListener(Acceptor acceptor, std::string address)
      : acceptor_(std::move(acceptor)), address_(std::move(address)) {}

  Async<std::unique_ptr<Stream>> accept() override {
    while (true) {
      co_await throw_if_cancelled();
      error_code failed;
      auto socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failed));
      if (!failed) {
        if constexpr (std::is_same_v<Acceptor, asio::ip::tcp::acceptor>) keep_alive(socket);
        co_return std::make_unique<SocketStream>(Generic::socket(std::move(socket)));
      }
      if (closed_) throw Error(Reason::peer_gone, "the listener was closed");
      co_await throw_if_cancelled();
      if (failed != asio::error::connection_aborted) {
        throw Error(Reason::io_failed, "cannot accept a connection: " + failed.message());
      }
    }
  }
  void close() override {
    closed_ = true;
    error_code ignored;
    acceptor_.close(ignored);
  }
  std::string address() const override { return address_; }

 private:
  Acceptor acceptor_;
  std::string address_;
  bool closed_ = false;
};

using UnixAcceptor = asio::local::stream_protocol::acceptor;

class UnixListener : public SocketListener<UnixAcceptor> {
 public:
  UnixListener(UnixAcceptor acceptor, std::string path, std::unique_ptr<PathLock> lock)
      : SocketListener(std::move(acceptor), "unix:" + path),
        path_(std::move(path)),
        lock_(std::move(lock)) {
    identified_ = ::lstat(path_.c_str(), &identity_) == 0;
  }
  ~UnixListener() override { remove(); }

  void close() override {
    SocketListener::close();
    remove();
  }

 private:
  // Only our own socket: somebody may have replaced the path by hand.
  void remove() {
    struct stat now{};
    if (lock_ && identified_ && ::lstat(path_.c_str(), &now) == 0 &&
        now.st_ino == identity_.st_ino && now.st_dev == identity_.st_dev) {
      ::unlink(path_.c_str());
    }
    lock_.reset();
  }

  std::string path_;
  std::unique_ptr<PathLock> lock_;
  struct stat identity_{};
  bool identified_ = false;
};

// Binds beside the path, sets the mode, listens, and only then takes the name.
Descriptor bind_and_rename(const UnixListenOptions& options) {
  const std::string temporary = options.path + "~";  // ours: we hold the lock
  const sockaddr_un address = unix_address(temporary);
  Descriptor descriptor = unix_socket();
  ::unlink(temporary.c_str());
  if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw_io(fmt::format("cannot make the socket {}", options.path), errno);
  }
  const char* step = nullptr;
  if (::chmod(temporary.c_str(), options.mode) != 0) {
    step = "cannot set the mode of the socket";
  } else if (::listen(descriptor.get(), options.backlog) != 0) {
    step = "cannot listen on the socket";
  } else if (::rename(temporary.c_str(), options.path.c_str()) != 0) {
    step = "cannot name the socket";
  }
  if (step != nullptr) {
    const int number = errno;
    ::unlink(temporary.c_str());
    throw_io(fmt::format("{} {}", step, options.path), number);
  }
  return descriptor;
}

}  // namespace

std::unique_ptr<Listener> listen_unix(Executor executor, UnixListenOptions options) {
  (void)unix_address(options.path + "~");
  auto lock = std::make_unique<PathLock>(options.path + ".lock");
  refuse_living_server(options.path);
  Descriptor descriptor = bind_and_rename(options);
  UnixAcceptor acceptor(std::move(executor), asio::local::stream_protocol(), descriptor.get());
  (void)descriptor.release();
  return std::make_unique<UnixListener>(std::move(acceptor), options.path, std::move(lock));
}

std::unique_ptr<Listener> listen_tcp(Executor executor, TcpListenOptions options) {
  error_code failed;
  const auto address = asio::ip::make_address(options.address, failed);
  if (failed) {
    throw Error(Reason::bad_format, fmt::format("'{}' is not a numeric address", options.address));
  }
  asio::ip::tcp::acceptor acceptor(std::move(executor));
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(asio::ip::tcp::acceptor::reuse_address(true), failed);
  // "::" is every address of both families, whatever the system's default.
  if (!failed && address.is_v6()) acceptor.set_option(asio::ip::v6_only(false), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(options.backlog, failed);
  if (failed) {
    const bool taken = failed == asio::error::address_in_use;
    throw Error(
        taken ? Reason::already_listening : Reason::io_failed,
        fmt::format("cannot listen on {}:{}: {}", options.address, options.port, failed.message()));
  }
  const auto local = acceptor.local_endpoint();
  const auto host = local.address().to_string();
  std::string name = local.address().is_v6() ? fmt::format("tcp:[{}]:{}", host, local.port())
                                             : fmt::format("tcp:{}:{}", host, local.port());
  return std::make_unique<SocketListener<asio::ip::tcp::acceptor>>(std::move(acceptor),
                                                                   std::move(name));
}

// --- lines ----------------------------------------------------------------------------------

std::optional<std::string> LineBuffer::take() {
  const std::size_t end = bytes_.find('\n', searched_);
  if (std::min(end, bytes_.size()) > max_line_) {
    throw Error(Reason::protocol_violation,
                fmt::format("a line is longer than {} bytes", max_line_));
  }
  if (end == std::string::npos) {
    searched_ = bytes_.size();
    return std::nullopt;
  }
  std::string line = bytes_.substr(0, end);
  bytes_.erase(0, end + 1);
  searched_ = 0;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

LineReader::LineReader(Stream& stream, std::size_t max_line_bytes)
    : stream_(stream), lines_(max_line_bytes) {}

Async<std::optional<std::string>> LineReader::next() {
  while (true) {
    auto line = lines_.take();
    if (line) co_return line;
    std::array<char, 8192> piece;
    const std::size_t count = co_await stream_.read_some(piece);
    if (count == 0) {
      if (lines_.empty()) co_return std::nullopt;
      throw Error(Reason::peer_gone, "the stream ended inside a line");
    }
    lines_.put({piece.data(), count});
  }
}

}  // namespace ruche::net
