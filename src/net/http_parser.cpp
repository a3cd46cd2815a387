#include "net/http_parser.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace ruche::net {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

std::string text(string_view view) { return std::string(view.data(), view.size()); }

}  // namespace

// What both kinds have in common, behind Beast's compile-time choice.
struct HttpParser::State {
  virtual ~State() = default;
  virtual std::size_t put(std::string_view bytes, error_code& failed) = 0;
  virtual void put_end(error_code& failed) = 0;
  virtual void skip_body() = 0;
  virtual bool is_head_done() const = 0;
  virtual bool is_done() const = 0;
  virtual bool is_started() const = 0;
  virtual bool is_keep_alive() const = 0;
  virtual std::optional<std::uint64_t> length() const = 0;

  std::size_t max_header = 0;
  std::size_t head_bytes = 0;
  std::string method, target, body;
  int status = 0;
  int version = 0;
  Headers headers;
};

template <bool kIsRequest>
struct HttpParser::Parser : HttpParser::State, http::basic_parser<kIsRequest> {
  using Base = http::basic_parser<kIsRequest>;

  explicit Parser(std::size_t limit) {
    max_header = limit;
    this->header_limit(static_cast<std::uint32_t>(limit));
    this->body_limit(boost::none);  // the callers know their limits
    this->eager(false);
  }

  // Beast asserts that at least five bytes are there when it looks at a last chunk again; nothing
  // complete is shorter at that place, so we wait for as many.
  std::size_t put(std::string_view bytes, error_code& failed) override {
    constexpr std::size_t kShortestLastChunk = 5;
    const bool between_chunks =
        Base::is_header_done() && !Base::is_done() && Base::chunked() && chunk_left_ == 0;
    if (between_chunks && bytes.size() < kShortestLastChunk) {
      failed = http::error::need_more;
      return 0;
    }
    return Base::put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
  }
  void put_end(error_code& failed) override {
    if (!Base::got_some()) {
      failed = http::error::end_of_stream;
    } else {
      Base::put_eof(failed);
    }
  }
  void skip_body() override { Base::skip(true); }
  bool is_head_done() const override { return Base::is_header_done(); }
  bool is_done() const override { return Base::is_done(); }
  bool is_started() const override { return Base::got_some(); }
  bool is_keep_alive() const override { return Base::keep_alive(); }
  std::optional<std::uint64_t> length() const override {
    const auto announced = Base::content_length();
    if (!announced) return std::nullopt;
    return *announced;
  }

 private:
  void on_request_impl(http::verb, string_view name, string_view where, int number,
                       error_code&) override {
    method = text(name);
    target = text(where);
    version = number;
  }
  void on_response_impl(int code, string_view, int number, error_code&) override {
    status = code;
    version = number;
  }
  void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
    headers.add(text(name), text(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view piece, error_code&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t size, string_view, error_code&) override {
    chunk_left_ = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code&) override {
    body.append(piece.data(), piece.size());
    chunk_left_ -= piece.size();
    return piece.size();
  }
  void on_finish_impl(error_code&) override {}

  std::uint64_t chunk_left_ = 0;
};

HttpParser::HttpParser(Kind kind, std::size_t max_header) {
  if (kind == Kind::request) {
    state_ = std::make_unique<Parser<true>>(max_header);
  } else {
    state_ = std::make_unique<Parser<false>>(max_header);
  }
}
HttpParser::~HttpParser() = default;

void HttpParser::expect_no_body() { state_->skip_body(); }

std::size_t HttpParser::put(std::string_view bytes) {
  std::size_t used = 0;
  const bool in_head = !head_done();
  while (used < bytes.size() && !done()) {
    error_code failed;
    const std::size_t step = state_->put(bytes.substr(used), failed);
    used += step;
    if (failed == http::error::need_more) break;
    if (failed == http::error::header_limit) {
      throw Error(Reason::header_too_large, "the request line and header fields are too long");
    }
    if (failed) throw Error(Reason::bad_request, "malformed HTTP message: " + failed.message());
    if (in_head && head_done()) break;
    if (step == 0) break;
  }
  if (in_head) {
    state_->head_bytes += used;
    const std::size_t waiting = head_done() ? 0 : bytes.size() - used;
    if (state_->head_bytes + waiting > state_->max_header) {
      throw Error(Reason::header_too_large, "the request line and header fields are too long");
    }
  }
  return used;
}

void HttpParser::put_end() {
  error_code failed;
  state_->put_end(failed);
  if (failed) throw Error(Reason::peer_gone, "the connection ended inside an HTTP message");
}

bool HttpParser::started() const { return state_->is_started(); }
bool HttpParser::head_done() const { return state_->is_head_done(); }
bool HttpParser::done() const { return state_->is_done(); }
const std::string& HttpParser::method() const { return state_->method; }
const std::string& HttpParser::target() const { return state_->target; }
int HttpParser::status() const { return state_->status; }
Headers& HttpParser::headers() { return state_->headers; }
bool HttpParser::http_1_1() const { return state_->version >= 11; }
bool HttpParser::keep_alive() const { return state_->is_keep_alive(); }
std::optional<std::uint64_t> HttpParser::content_length() const { return state_->length(); }
std::string HttpParser::take_body() { return std::exchange(state_->body, {}); }
std::size_t HttpParser::body_waiting() const { return state_->body.size(); }

}  // namespace ruche::net
