#include "drivers/qemu/qmp_message.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kShownBytes = 80;

Error violation(std::string_view what, std::string_view line) {
  std::string shown;
  for (const char c : line.substr(0, kShownBytes)) shown += c >= ' ' && c < 127 ? c : '?';
  return Error(Reason::protocol_violation, fmt::format("QEMU's monitor sent {}: {}", what, shown));
}

const json::Object* object_in(const json::Object& message, std::string_view name) {
  const auto* found = message.if_contains(name);
  return found == nullptr ? nullptr : found->if_object();
}

std::optional<std::string> text_in(const json::Object& object, std::string_view name) {
  const auto* found = object.if_contains(name);
  if (found == nullptr || !found->is_string()) return std::nullopt;
  return std::string(found->get_string());
}

std::optional<std::uint64_t> id_in(const json::Object& message) {
  const auto* found = message.if_contains("id");
  if (found == nullptr || !found->is_number()) return std::nullopt;
  if (found->is_uint64()) return found->get_uint64();
  if (found->is_int64() && found->get_int64() >= 0) {
    return static_cast<std::uint64_t>(found->get_int64());
  }
  return std::nullopt;
}

// 0 when it is absent or nonsense; a time stamp only serves measurements.
std::int64_t integer_in(const json::Object& object, std::string_view name) {
  const auto* found = object.if_contains(name);
  return found == nullptr || !found->is_int64() ? 0 : found->get_int64();
}

std::optional<QmpMessage> greeting(const json::Object& message) {
  const auto* qmp = object_in(message, "QMP");
  const auto* version = qmp == nullptr ? nullptr : object_in(*qmp, "version");
  const auto* qemu = version == nullptr ? nullptr : object_in(*version, "qemu");
  if (qemu == nullptr) return std::nullopt;
  std::string text;
  for (const auto* part : {"major", "minor", "micro"}) {
    const auto* number = qemu->if_contains(part);
    if (number == nullptr || !number->is_int64()) return std::nullopt;
    text += (text.empty() ? "" : ".") + std::to_string(number->get_int64());
  }
  return QmpGreeting{text};
}

std::optional<QmpMessage> failure(const json::Object& message) {
  const auto* error = object_in(message, "error");
  const auto id = id_in(message);
  if (error == nullptr || !id) return std::nullopt;
  const auto error_class = text_in(*error, "class");
  const auto description = text_in(*error, "desc");
  if (!error_class || !description) return std::nullopt;
  return QmpFailure{*id, *error_class, *description};
}

std::optional<QmpMessage> event(const json::Object& message) {
  auto name = text_in(message, "event");
  const auto* timestamp = object_in(message, "timestamp");
  if (!name || timestamp == nullptr) return std::nullopt;
  QmpEvent event{std::move(*name), {}};
  constexpr std::int64_t kLatestSecond = 1LL << 40;
  const auto seconds =
      std::clamp<std::int64_t>(integer_in(*timestamp, "seconds"), 0, kLatestSecond);
  const auto rest = std::clamp<std::int64_t>(integer_in(*timestamp, "microseconds"), 0, 999'999);
  event.at_us = seconds * 1'000'000 + rest;
  if (message.contains("data")) {
    const auto* data = object_in(message, "data");
    if (data == nullptr) return std::nullopt;
    event.data = *data;
  }
  return event;
}

std::optional<QmpMessage> read(const json::Object& message) {
  if (message.contains("QMP")) return greeting(message);
  if (message.contains("event")) return event(message);
  if (message.contains("error")) return failure(message);
  const auto* result = message.if_contains("return");
  const auto id = id_in(message);
  if (result == nullptr || !id) return std::nullopt;
  return QmpReply{*id, *result};
}

Error mistaken(std::string_view name) {
  return Error(Reason::hypervisor_failed, fmt::format("QEMU answered without a usable '{}'", name));
}

}  // namespace

std::expected<QmpMessage, Error> parse_qmp(std::string_view line) {
  json::Value value;
  try {
    value = json::parse(line);
  } catch (const Error& error) {
    return std::unexpected(violation("what is not JSON", line).caused_by(error));
  }
  const auto* object = value.if_object();
  if (object == nullptr) return std::unexpected(violation("no object", line));
  auto message = read(*object);
  if (!message) return std::unexpected(violation("a message of no known form", line));
  return std::move(*message);
}

std::string qmp_command(std::uint64_t id, std::string_view name, const json::Object& arguments) {
  json::Object message{{"execute", name}};
  if (!arguments.empty()) message["arguments"] = arguments;
  message["id"] = id;
  return boost::json::serialize(message) + "\n";
}

const json::Value& member(const json::Object& object, std::string_view name) {
  const auto* found = object.if_contains(name);
  if (found == nullptr) throw mistaken(name);
  return *found;
}

std::string text_member(const json::Object& object, std::string_view name) {
  const auto text = text_in(object, name);
  if (!text) throw mistaken(name);
  return *text;
}

std::int64_t number_member(const json::Object& object, std::string_view name) {
  const auto& value = member(object, name);
  if (!value.is_int64()) throw mistaken(name);
  return value.get_int64();
}

const json::Object& as_object(const json::Value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) throw mistaken("object");
  return *object;
}

}  // namespace ruche::drivers::qemu
