// The stream of one TLS connection, either side. Internal to net.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/openssl.hpp"
#include "net/stream.hpp"

namespace ruche::net {

// OpenSSL sees two buffers in memory and no socket: it never blocks and never reads ahead. Records
// that reading makes (answers to the peer's key updates) go out with the next write.
class TlsStream : public Stream {
 public:
  // `check` judges the peer at the end of the handshake, by throwing.
  TlsStream(std::unique_ptr<Stream> below, openssl::Session session,
            std::function<void(SSL&)> check);
  ~TlsStream() override;

  bool needs_handshake() const override { return !ready_; }
  Async<void> handshake() override;
  Async<std::size_t> read_some(std::span<char> into) override;
  Async<void> write_all(std::string_view bytes) override { return write_all(bytes, {}); }
  Async<void> write_all(std::string_view first, std::string_view second) override;
  Async<void> write_with_descriptors(std::string_view bytes,
                                     std::span<const int> descriptors) override;
  void shutdown_write() override;
  void close() override;
  Async<void> wait_hang_up() override { return below_->wait_hang_up(); }
  bool idle() const override;
  const Peer& peer() const override { return peer_; }

 private:
  Async<bool> fill();
  Async<void> flush();
  std::string take_output();
  void encrypt(std::string_view bytes);
  void say_goodbye();
  void answer_plain_http();
  Error handshake_failure(const std::string& why) const;

  std::unique_ptr<Stream> below_;
  openssl::Session session_;
  BIO* input_;   // the session's
  BIO* output_;  // the session's
  std::function<void(SSL&)> check_;
  Peer peer_;
  std::vector<char> piece_;  // what was read from below, on its way to the session
  std::string sending_;      // what is being written below
  std::optional<Error> read_end_;
  bool ready_ = false;
  bool writing_ = false;  // a write waits, or did not finish: nothing sensible can follow
  bool said_goodbye_ = false;
};

}  // namespace ruche::net
