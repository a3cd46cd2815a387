#include "net/tls_stream.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>

namespace ruche::net {
namespace {

constexpr std::size_t kFirstRead = 4 << 10;
constexpr std::size_t kMostRead = 32 << 10;
constexpr std::size_t kRecord = 16 << 10;  // the most that one record carries
constexpr std::size_t kSlice = 64 << 10;   // encrypted at a time
// What the peer may make us say without our writing anything.
constexpr std::size_t kMostUnasked = 64 << 10;

Error broken(const std::string& why) {
  return Error(Reason::protocol_violation, fmt::format("the TLS connection broke: {}", why));
}

}  // namespace

TlsStream::TlsStream(std::unique_ptr<Stream> below, openssl::Session session,
                     std::function<void(SSL&)> check)
    : below_(std::move(below)),
      session_(std::move(session)),
      input_(BIO_new(BIO_s_mem())),
      output_(BIO_new(BIO_s_mem())),
      check_(std::move(check)),
      peer_(below_->peer()),
      piece_(kFirstRead) {
  if (input_ == nullptr || output_ == nullptr) throw std::bad_alloc();
  SSL_set_bio(session_.get(), input_, output_);
  peer_.credentials.reset();  // who is at the other end of a tunnel, nobody but TLS can say
}

TlsStream::~TlsStream() { say_goodbye(); }

// More of the peer's bytes for the session; false at their end.
Async<bool> TlsStream::fill() {
  const std::size_t count = co_await below_->read_some(piece_);
  if (count == 0) co_return false;
  if (BIO_write(input_, piece_.data(), static_cast<int>(count)) != static_cast<int>(count)) {
    throw std::bad_alloc();
  }
  if (count == piece_.size() && piece_.size() < kMostRead) piece_.resize(kMostRead);
  co_return true;
}

std::string TlsStream::take_output() {
  std::string bytes(BIO_ctrl_pending(output_), '\0');
  if (!bytes.empty()) BIO_read(output_, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

Async<void> TlsStream::flush() {
  if (writing_) throw Error(Reason::peer_gone, "an earlier write was cut off");
  while (BIO_ctrl_pending(output_) > 0) {
    sending_ = take_output();
    writing_ = true;
    co_await below_->write_all(sending_);
    writing_ = false;
  }
}

// --- handshake ------------------------------------------------------------------------------

Async<void> TlsStream::handshake() {
  if (ready_) co_return;
  while (true) {
    ERR_clear_error();
    const int result = SSL_do_handshake(session_.get());
    if (result == 1) break;
    if (SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ) {
      const bool plain_http = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_HTTP_REQUEST;
      const std::string why = openssl::last_error();
      if (plain_http) answer_plain_http();
      below_->write_now(take_output());  // an alert that says why
      throw handshake_failure(why);
    }
    co_await flush();
    const bool more = co_await fill();
    if (!more) throw handshake_failure("the other side ended the connection");
  }
  if (check_) check_(*session_);
  co_await flush();
  ready_ = true;
}

Error TlsStream::handshake_failure(const std::string& why) const {
  return Error(Reason::tls_failed, fmt::format("the TLS handshake failed: {}", why));
}

// Somebody typed http:// for https://.
void TlsStream::answer_plain_http() {
  constexpr std::string_view kText = "This port speaks HTTPS only: begin the URL with https://\n";
  (void)take_output();
  below_->write_now(
      fmt::format("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n"
                  "Connection: close\r\n\r\n{}",
                  kText.size(), kText));
}

// --- reading --------------------------------------------------------------------------------

Async<std::size_t> TlsStream::read_some(std::span<char> into) {
  co_await throw_if_cancelled();
  if (!ready_) throw Error(Reason::internal_error, "read before the TLS handshake");
  if (read_end_) throw Error(*read_end_);
  while (true) {
    ERR_clear_error();
    const int wanted = static_cast<int>(std::min<std::size_t>(into.size(), 1 << 30));
    const int count = SSL_read(session_.get(), into.data(), wanted);
    if (count > 0) co_return static_cast<std::size_t>(count);
    const int why = SSL_get_error(session_.get(), count);
    if (why == SSL_ERROR_ZERO_RETURN) co_return 0;
    if (why != SSL_ERROR_WANT_READ) {
      read_end_ = broken(openssl::last_error());
      throw Error(*read_end_);
    }
    if (BIO_ctrl_pending(output_) > kMostUnasked) {
      read_end_ = broken("the other side asks for ever more");
      throw Error(*read_end_);
    }
    const bool more = co_await fill();
    // Without a goodbye nobody knows whether this was the end or a cut (RFC 8446 section 6.1).
    if (!more) throw Error(Reason::peer_gone, "the connection was cut");
  }
}

// --- writing --------------------------------------------------------------------------------

void TlsStream::encrypt(std::string_view bytes) {
  if (bytes.empty()) return;
  ERR_clear_error();
  const int count = SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (count == static_cast<int>(bytes.size())) return;
  writing_ = true;  // never again
  throw Error(Reason::peer_gone,
              fmt::format("the TLS connection takes nothing more: {}", openssl::last_error()));
}

Async<void> TlsStream::write_all(std::string_view first, std::string_view second) {
  co_await throw_if_cancelled();
  if (!ready_) throw Error(Reason::internal_error, "written before the TLS handshake");
  if (writing_) throw Error(Reason::peer_gone, "an earlier write was cut off");
  if (first.size() + second.size() <= kRecord) {
    if (second.empty()) {
      encrypt(first);
    } else {
      std::string both;  // one record rather than two
      both.reserve(first.size() + second.size());
      both.append(first).append(second);
      encrypt(both);
    }
    co_await flush();
    co_return;
  }
  for (std::string_view rest : {first, second}) {
    while (!rest.empty()) {
      encrypt(rest.substr(0, kSlice));
      rest.remove_prefix(std::min(kSlice, rest.size()));
      co_await flush();
    }
  }
}

Async<void> TlsStream::write_with_descriptors(std::string_view, std::span<const int>) {
  throw Error(Reason::host_cannot, "TLS carries no descriptors");
  co_return;
}

// --- the end --------------------------------------------------------------------------------

void TlsStream::say_goodbye() {
  if (said_goodbye_ || writing_ || !ready_) return;
  said_goodbye_ = true;
  ERR_clear_error();
  SSL_shutdown(session_.get());
  ERR_clear_error();
  below_->write_now(take_output());
}

void TlsStream::shutdown_write() {
  say_goodbye();
  writing_ = true;
  below_->shutdown_write();
}

void TlsStream::close() {
  say_goodbye();
  below_->close();
}

bool TlsStream::idle() const {
  return ready_ && SSL_has_pending(session_.get()) == 0 && BIO_ctrl_pending(input_) == 0 &&
         (SSL_get_shutdown(session_.get()) & SSL_RECEIVED_SHUTDOWN) == 0 && below_->idle();
}

}  // namespace ruche::net
