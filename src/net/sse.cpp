#include "net/sse.hpp"

#include <charconv>

namespace ruche::net {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::int64_t kLongestRetryMs = 3'600'000;

void append_line(std::string& out, std::string_view field, std::string_view value) {
  out.append(field).append(": ").append(value).append("\n");
}

void check_single_line(std::string_view text) {
  if (text.find_first_of("\r\n") != std::string_view::npos) {
    throw Error(Reason::internal_error, "an event's id or name holds a line end");
  }
}

}  // namespace

std::string format_event(const ServerSentEvent& event) {
  check_single_line(event.id);
  if (event.id.contains('\0')) throw Error(Reason::internal_error, "an event's id holds a NUL");
  check_single_line(event.event);
  std::string out;
  if (!event.id.empty()) append_line(out, "id", event.id);
  if (!event.event.empty()) append_line(out, "event", event.event);
  // Any of the three line ends begins a new data line; the reader gets them all back as "\n".
  std::string_view rest = event.data;
  while (true) {
    const std::size_t end = rest.find_first_of("\r\n");
    append_line(out, "data", rest.substr(0, end));
    if (end == std::string_view::npos) break;
    const bool two = rest[end] == '\r' && end + 1 < rest.size() && rest[end + 1] == '\n';
    rest.remove_prefix(end + (two ? 2 : 1));
  }
  out += '\n';
  return out;
}

std::string format_comment(std::string_view text) {
  check_single_line(text);
  return ":" + std::string(text) + "\n\n";
}

SseParser::SseParser(std::size_t max_event_bytes) : max_event_(max_event_bytes) {}

void SseParser::put(std::string_view bytes) {
  while (!bytes.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    line_.append(bytes.substr(0, end));
    if (line_.size() + data_.size() > max_event_) {
      throw Error(Reason::protocol_violation, "a server-sent event is too long");
    }
    if (end == std::string_view::npos) return;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    const std::string whole = std::exchange(line_, {});
    std::string_view view = whole;
    if (std::exchange(first_, false) && view.starts_with(kByteOrderMark)) {
      view.remove_prefix(kByteOrderMark.size());
    }
    line(view);
  }
}

void SseParser::line(std::string_view text) {
  if (text.empty()) return dispatch();
  const std::size_t colon = text.find(':');
  if (colon == 0) return;  // a comment
  if (colon == std::string_view::npos) return field(text, {});
  std::string_view value = text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  field(text.substr(0, colon), value);
}

void SseParser::field(std::string_view name, std::string_view value) {
  if (name == "event") {
    event_ = value;
  } else if (name == "data") {
    has_data_ = true;
    data_.append(value).append("\n");
  } else if (name == "id") {
    if (!value.contains('\0')) id_ = value;
  } else if (name == "retry") {
    std::int64_t number = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool digits = value.find_first_not_of("0123456789") == std::string_view::npos;
    if (digits && failed == std::errc() && end == value.data() + value.size()) {
      retry_ = Duration(std::min(number, kLongestRetryMs));
    }
  }
}

void SseParser::dispatch() {
  last_id_ = id_;
  if (has_data_) {
    data_.pop_back();  // the "\n" after the last line
    ready_.push_back({last_id_, std::move(event_), std::move(data_)});
  }
  event_.clear();
  data_.clear();
  has_data_ = false;
}

std::optional<ServerSentEvent> SseParser::next() {
  if (ready_.empty()) return std::nullopt;
  std::optional<ServerSentEvent> front(std::move(ready_.front()));
  ready_.pop_front();
  return front;
}

SseReader::SseReader(HttpStream& stream, std::size_t max_event_bytes)
    : stream_(stream), parser_(max_event_bytes) {}

Async<std::optional<ServerSentEvent>> SseReader::next() {
  while (true) {
    auto event = parser_.next();
    if (event) co_return event;
    const auto piece = co_await stream_.next();
    if (!piece) co_return std::nullopt;
    parser_.put(*piece);
  }
}

}  // namespace ruche::net
