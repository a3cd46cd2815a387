// One line of QMP (QEMU's qmp-spec): what the other side may say. It is a foreign program, possibly
// taken over by its guest: everything that is not exactly as specified is refused.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "base/json_value.hpp"

namespace ruche::drivers::qemu {

struct QmpGreeting {
  std::string version;  // "10.0.2"
};
struct QmpReply {
  std::uint64_t id = 0;
  json::Value result;
};
struct QmpFailure {
  std::uint64_t id = 0;
  std::string error_class;
  std::string description;
};
struct QmpEvent {
  std::string name;
  json::Object data;
  std::int64_t at_us = 0;  // QEMU's wall clock, microseconds since 1970
};
using QmpMessage = std::variant<QmpGreeting, QmpReply, QmpFailure, QmpEvent>;

// Fails with protocol_violation.
std::expected<QmpMessage, Error> parse_qmp(std::string_view line);
// A command line with its end.
std::string qmp_command(std::uint64_t id, std::string_view name, const json::Object& arguments);

// Fields of QEMU's answers; a missing or mistyped one is hypervisor_failed.
const json::Value& member(const json::Object& object, std::string_view name);
std::string text_member(const json::Object& object, std::string_view name);
std::int64_t number_member(const json::Object& object, std::string_view name);
const json::Object& as_object(const json::Value& value);

}  // namespace ruche::drivers::qemu
