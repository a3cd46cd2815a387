// Byte streams over unix and TCP sockets. Everything above (HTTP, WebSocket, QMP) speaks to a
// Stream and gets one from a Connector or a Listener, so another transport only adds those two
// (TLS: tls.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/async.hpp"

namespace ruche::net {

// Who is at the other end of a unix socket, as the kernel says (SO_PEERCRED), at connect time.
struct PeerCredentials {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
};

struct Peer {
  std::optional<PeerCredentials> credentials;  // unix sockets only
  std::string address;  // "unix", or "192.0.2.1:4711", "[2001:db8::1]:4711"
};

// A connected byte stream. Not thread-safe. One read and one write may wait at the same time, never
// two of a kind. Every waiting call can be cancelled; a cancelled write leaves the stream unusable,
// because nobody knows how much of it went out. Destroying a stream closes it.
class Stream {
 public:
  virtual ~Stream() = default;
  // What must come before the first byte (TLS); without it reading and writing fail. A server calls
  // it once for each connection that needs_handshake(), under a deadline. Throws Error(tls_failed).
  virtual bool needs_handshake() const { return false; }
  virtual Async<void> handshake() { co_return; }
  // Waits for at least one byte; 0 means that the peer will send no more. A cancelled read has
  // consumed nothing. Throws Error(peer_gone) on a reset and after close().
  virtual Async<std::size_t> read_some(std::span<char> into) = 0;
  // Returns when the kernel has taken everything. Throws Error(peer_gone).
  virtual Async<void> write_all(std::string_view bytes) = 0;
  // Two pieces in order, without copying them together.
  virtual Async<void> write_all(std::string_view first, std::string_view second) = 0;
  // The bytes with open descriptors attached to the first of them (SCM_RIGHTS; QMP add-fd). The
  // caller keeps its copies. Throws Error(host_cannot) where the transport has no such thing.
  virtual Async<void> write_with_descriptors(std::string_view bytes,
                                             std::span<const int> descriptors) = 0;
  // Sends what the kernel takes without waiting, for a last word before the end; false when that
  // was not everything. Not while a write waits.
  virtual bool write_now(std::string_view bytes) { return bytes.empty(); }
  // Tells the peer that nothing more comes; reading goes on.
  virtual void shutdown_write() = 0;
  // Ends both directions now; waiting calls throw Error(peer_gone).
  virtual void close() = 0;
  // After read_some returned 0: returns when the peer can no longer receive either. A half-close
  // and a close look the same on TCP, so there it returns at once.
  virtual Async<void> wait_hang_up() = 0;
  // False when the stream has ended or holds unexpected bytes: an idle connection not worth
  // reusing.
  virtual bool idle() const = 0;
  virtual const Peer& peer() const = 0;
};

// Opens connections to one place. Throws Error(host_unavailable) when nothing answers there.
using Connector = std::function<Async<std::unique_ptr<Stream>>()>;

struct TcpAddress {
  std::string host;  // a name or a numeric address
  std::uint16_t port = 0;
};

Async<std::unique_ptr<Stream>> connect_unix(std::string path);
// Tries the addresses of the name in order; no limit in time of its own, use with_deadline.
Async<std::unique_ptr<Stream>> connect_tcp(TcpAddress address);
Connector unix_connector(std::string path);
Connector tcp_connector(TcpAddress address);

// Takes ownership of a connected stream socket (from socketpair, or inherited).
std::unique_ptr<Stream> adopt_socket(Executor executor, int descriptor);
// Two connected ends (socketpair), for tests and for talking to a child process.
std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> stream_pair(Executor executor);

// A listening socket. Destroying it closes it.
class Listener {
 public:
  virtual ~Listener() = default;
  // The next connection. Throws Error(io_failed) when the process is out of descriptors: wait a
  // little and call again. Throws Error(peer_gone) after close().
  virtual Async<std::unique_ptr<Stream>> accept() = 0;
  virtual void close() = 0;
  virtual std::string address() const = 0;  // "unix:/run/ruche.sock", "tcp:127.0.0.1:9443"
};

struct UnixListenOptions {
  std::string path;
  unsigned mode = 0660;
  int backlog = 512;
};
// The socket appears under its path complete: already listening, with its mode. A path left behind
// by a dead server is replaced; throws Error(already_listening) when a live one is there, and
// Error(io_failed) when something that is not a socket is. Beside the path a lock file
// (`<path>.lock`) settles races between two starting servers; both go away with the listener.
std::unique_ptr<Listener> listen_unix(Executor executor, UnixListenOptions options);

struct TcpListenOptions {
  std::string address = "127.0.0.1";  // numeric
  std::uint16_t port = 0;  // 0: any free one, see Listener::address()
  int backlog = 512;
};
std::unique_ptr<Listener> listen_tcp(Executor executor, TcpListenOptions options);

// Collects bytes and gives out the lines ended by "\n" or "\r\n".
class LineBuffer {
 public:
  explicit LineBuffer(std::size_t max_line_bytes) : max_line_(max_line_bytes) {}
  void put(std::string_view bytes) { bytes_.append(bytes); }
  // Without its line end; nullopt when none is complete. Throws Error(protocol_violation) for a
  // line beyond the limit.
  std::optional<std::string> take();
  std::string take_rest() { return std::exchange(bytes_, {}); }
  bool empty() const { return bytes_.empty(); }

 private:
  std::size_t max_line_;
  std::string bytes_;
  std::size_t searched_ = 0;  // no line end before this offset
};

// Cuts a stream into lines (QMP, newline-delimited JSON). A cancelled next() loses nothing.
class LineReader {
 public:
  LineReader(Stream& stream, std::size_t max_line_bytes);
  // nullopt at the end of the stream. Throws Error(protocol_violation) for a line beyond the limit
  // and Error(peer_gone) when the stream ends inside one.
  Async<std::optional<std::string>> next();

 private:
  Stream& stream_;
  LineBuffer lines_;
};

}  // namespace ruche::net
