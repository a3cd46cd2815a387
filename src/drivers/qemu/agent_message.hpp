// What the agent inside a guest says (QEMU's qga/qapi-schema.json), one JSON line an answer. It is
// a foreign program in a hostile guest: nothing here trusts a length, a number or a text of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// Bytes that no JSON holds: before a request the agent drops what it had read so far, and before
// the answer to guest-sync-delimited it writes one.
inline constexpr char kAgentSentinel = '\xff';

// A request line with its end.
std::string agent_command(std::string_view name, const json::Object& arguments);
// The value of "return". Fails with agent_failed for the agent's refusal and for nonsense.
std::expected<json::Value, Error> parse_agent_reply(std::string_view line);

// Looks for the answer to a guest-sync-delimited with this id in whatever stands before it, such as
// answers to requests that were given up. Holds at most one short line.
class AgentSync {
 public:
  explicit AgentSync(std::uint64_t id) : id_(id) {}
  // True once the answer was seen; what follows it in `bytes` is dropped.
  bool feed(std::string_view bytes);

 private:
  bool is_answer() const;

  std::uint64_t id_;
  bool in_line_ = false;
  std::string line_;
};

// For people and documents: without control characters, at most `limit` bytes of whole characters.
std::string plain_text(std::string_view text, std::size_t limit);

// Readings of answers; a missing or mistyped field is an empty or false one, because every agent
// leaves something out.
std::string text_of(const json::Value& answer, std::string_view name);
// Of guest-network-get-interfaces: no loopback, no link-local ones, IPv4 first, bounded.
std::vector<std::string> addresses_of(const json::Value& interfaces);
// Of guest-exec-status: nothing while the command runs. Fails with agent_failed for nonsense.
std::expected<std::optional<ports::AgentCommandResult>, Error> command_result(
    const json::Value& status);
// Of guest-file-read. Fails with agent_failed.
std::expected<std::string, Error> file_content(const json::Value& answer);
// The first line of an OpenSSH public key file as "type key"; empty when it is none.
std::string ssh_key_of(std::string_view file);

}  // namespace ruche::drivers::qemu
