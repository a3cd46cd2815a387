#include "drivers/qemu/agent_message.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/base64.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kLongestSync = 256;
constexpr std::size_t kMostAddresses = 32;
constexpr std::size_t kMostInterfaces = 256;
constexpr std::size_t kLongestKey = 4096;

Error nonsense(std::string_view what) {
  return Error(Reason::agent_failed, fmt::format("the guest's agent sent {}", what));
}

const json::Value* value_in(const json::Value& answer, std::string_view name) {
  const auto* object = answer.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

bool flag_of(const json::Value& answer, std::string_view name) {
  const auto* found = value_in(answer, name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

std::optional<std::int64_t> number_of(const json::Value& answer, std::string_view name) {
  const auto* found = value_in(answer, name);
  if (found == nullptr || !found->is_int64()) return std::nullopt;
  return found->get_int64();
}

bool is_shown_v4(const in_addr& address) {
  const std::uint32_t bits = ntohl(address.s_addr);
  return (bits >> 24) != 127 && (bits >> 16) != 0xa9fe && bits != 0;
}

// Written anew from its bits, so that what a guest calls an address is one.
std::optional<std::string> shown_address(const std::string& text) {
  char written[INET6_ADDRSTRLEN] = {};
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    if (!is_shown_v4(v4)) return std::nullopt;
    return ::inet_ntop(AF_INET, &v4, written, sizeof written);
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) return std::nullopt;
  if (IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6)) {
    return std::nullopt;
  }
  return ::inet_ntop(AF_INET6, &v6, written, sizeof written);
}

std::expected<std::string, Error> bytes_of(const json::Value& answer, std::string_view name) {
  const auto* found = value_in(answer, name);
  if (found == nullptr) return std::string();
  const auto* text = found->if_string();
  if (text == nullptr) return std::unexpected(nonsense("output that is no text"));
  auto bytes = parse_base64(*text);
  if (!bytes) return std::unexpected(nonsense("output that is not base64"));
  return std::move(*bytes);
}

}  // namespace

std::string agent_command(std::string_view name, const json::Object& arguments) {
  json::Object message{{"execute", name}};
  if (!arguments.empty()) message["arguments"] = arguments;
  return boost::json::serialize(message) + "\n";
}

std::expected<json::Value, Error> parse_agent_reply(std::string_view line) {
  json::Value value;
  try {
    value = json::parse(line);
  } catch (const Error&) {
    return std::unexpected(nonsense("what is not JSON"));
  }
  if (const auto* error = value_in(value, "error")) {
    return std::unexpected(Error(Reason::agent_failed, fmt::format("the guest's agent refused: {}",
                                                                   text_of(*error, "desc"))));
  }
  const auto* result = value_in(value, "return");
  if (result == nullptr) return std::unexpected(nonsense("no answer"));
  return *result;
}

bool AgentSync::is_answer() const {
  const auto reply = parse_agent_reply(line_);
  if (!reply) return false;
  if (reply->is_int64()) return reply->get_int64() == static_cast<std::int64_t>(id_);
  return reply->is_uint64() && reply->get_uint64() == id_;
}

bool AgentSync::feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == kAgentSentinel) {
      in_line_ = true;
      line_.clear();
    } else if (in_line_ && c == '\n') {
      if (is_answer()) return true;
      in_line_ = false;
    } else if (in_line_) {
      line_ += c;
      in_line_ = line_.size() <= kLongestSync;
    }
  }
  return false;
}

std::string plain_text(std::string_view text, std::size_t limit) {
  std::string plain;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte != 127) plain += c;
    if (plain.size() > limit) break;
  }
  if (plain.size() <= limit) return plain;
  // Not in the middle of a character of UTF-8.
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(plain[end]) & 0xc0) == 0x80) --end;
  plain.resize(end);
  return plain;
}

std::string text_of(const json::Value& answer, std::string_view name) {
  constexpr std::size_t kLongest = 200;
  const auto* found = value_in(answer, name);
  const auto* text = found == nullptr ? nullptr : found->if_string();
  return text == nullptr ? std::string() : plain_text(*text, kLongest);
}

std::vector<std::string> addresses_of(const json::Value& interfaces) {
  std::vector<std::string> addresses;
  const auto* list = interfaces.if_array();
  if (list == nullptr) return addresses;
  for (std::size_t i = 0; i < std::min(list->size(), kMostInterfaces); ++i) {
    const auto* entries = value_in((*list)[i], "ip-addresses");
    const auto* array = entries == nullptr ? nullptr : entries->if_array();
    if (array == nullptr) continue;
    for (const auto& entry : *array) {
      if (addresses.size() == kMostAddresses) break;
      const auto shown = shown_address(text_of(entry, "ip-address"));
      if (shown && std::ranges::find(addresses, *shown) == addresses.end()) {
        addresses.push_back(*shown);
      }
    }
  }
  // IPv4 first, each kind in the guest's order.
  std::vector<std::string> ordered;
  for (const bool six : {false, true}) {
    for (const auto& address : addresses) {
      if ((address.find(':') != std::string::npos) == six) ordered.push_back(address);
    }
  }
  return ordered;
}

std::expected<std::optional<ports::AgentCommandResult>, Error> command_result(
    const json::Value& status) {
  if (!flag_of(status, "exited")) return std::nullopt;
  ports::AgentCommandResult result;
  const auto code = number_of(status, "exitcode");
  const auto signal = number_of(status, "signal");
  if (!code && !signal) return std::unexpected(nonsense("the end of a command without its code"));
  const auto number = signal ? 128 + std::clamp<std::int64_t>(*signal, 0, 127) : *code;
  result.exit_code = static_cast<int>(std::clamp<std::int64_t>(number, INT32_MIN, INT32_MAX));
  auto output = bytes_of(status, "out-data");
  auto errors = bytes_of(status, "err-data");
  if (!output) return std::unexpected(std::move(output.error()));
  if (!errors) return std::unexpected(std::move(errors.error()));
  result.output = std::move(*output);
  result.error_output = std::move(*errors);
  result.output_cut = flag_of(status, "out-truncated");
  result.error_output_cut = flag_of(status, "err-truncated");
  return result;
}

std::expected<std::string, Error> file_content(const json::Value& answer) {
  return bytes_of(answer, "buf-b64");
}

std::string ssh_key_of(std::string_view file) {
  const auto line = file.substr(0, std::min(file.find('\n'), kLongestKey));
  const auto type_end = line.find(' ');
  if (type_end == std::string_view::npos) return {};
  const auto type = line.substr(0, type_end);
  const auto key = line.substr(type_end + 1, line.find(' ', type_end + 1) - type_end - 1);
  const bool known = type.starts_with("ssh-") || type.starts_with("ecdsa-sha2-");
  if (!known || plain_text(type, 64) != type || !parse_base64(key) || key.empty()) return {};
  return fmt::format("{} {}", type, key);
}

}  // namespace ruche::drivers::qemu
