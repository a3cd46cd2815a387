#include "drivers/qemu/agent.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr Duration kFirstLook{20};
constexpr Duration kLongestLook{1'000};
constexpr Duration kFreezeLimit{30'000};
constexpr Duration kThawLimit{30'000};
constexpr Duration kRefusalLimit{1'500};  // for what is only answered when it is refused
constexpr std::size_t kLongestOutput = 24 << 20;  // both streams in base64
constexpr std::int64_t kLongestFile = 4096;
constexpr std::size_t kLongestText = 256;
// guest-exec with an environment gives the command nothing else.
constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

json::Array texts(const std::vector<std::string>& values) {
  json::Array array;
  for (const auto& value : values) array.emplace_back(value);
  return array;
}

AgentRequest exec_request(const ports::AgentCommand& command) {
  json::Object arguments{{"path", command.argv.front()}, {"capture-output", true}};
  arguments["arg"] = texts({command.argv.begin() + 1, command.argv.end()});
  if (!command.environment.empty()) {
    auto environment = command.environment;
    const bool has_path = std::ranges::any_of(
        environment, [](const std::string& entry) { return entry.starts_with("PATH="); });
    if (!has_path) environment.emplace_back(kPath);
    arguments["env"] = texts(environment);
  }
  if (!command.input.empty()) arguments["input-data"] = to_base64(command.input);
  return {.name = "guest-exec", .arguments = std::move(arguments)};
}

std::optional<std::int64_t> whole_number(const json::Value& value) {
  if (value.is_int64()) return value.get_int64();
  return std::nullopt;
}

Async<void> store(std::optional<ports::AgentCommandResult>& slot,
                  Async<ports::AgentCommandResult> work) {
  slot = co_await std::move(work);
}

}  // namespace

bool QemuAgent::note_connected(bool connected) {
  const bool news = connected != connected_;
  connected_ = connected;
  if (!connected) initialized_ = false;
  return news;
}

Async<json::Value> QemuAgent::ask_if_known(Session session, std::string name) {
  std::optional<Error> refused;
  json::Value answer;
  try {
    answer = co_await session->ask({.name = std::move(name), .arguments = {}});
  } catch (const Error& error) {
    if (error.reason() != Reason::agent_failed) throw;
    refused = error;
  }
  co_return refused ? json::Value() : std::move(answer);
}

Async<std::string> QemuAgent::read_file(Session session, std::string path) {
  std::optional<Error> refused;
  std::string content;
  try {
    json::Object open{{"path", path}, {"mode", "r"}};
    const auto handle =
        co_await session->ask({.name = "guest-file-open", .arguments = std::move(open)});
    json::Object read{{"handle", handle}, {"count", kLongestFile}};
    const auto answer =
        co_await session->ask({.name = "guest-file-read", .arguments = std::move(read)});
    json::Object close{{"handle", handle}};
    co_await session->ask({.name = "guest-file-close", .arguments = std::move(close)});
    auto bytes = file_content(answer);
    if (!bytes) throw std::move(bytes.error());
    content = std::move(*bytes);
  } catch (const Error& error) {
    if (error.reason() != Reason::agent_failed) throw;
    refused = error;
  }
  co_return refused ? std::string() : content;
}

Async<void> QemuAgent::read_keys(Session session, ports::AgentFacts& facts) {
  if (!initialized_) {
    keys_.clear();
    for (const char* kind : {"ed25519", "ecdsa", "rsa"}) {
      const auto file =
          co_await read_file(session, fmt::format("/etc/ssh/ssh_host_{}_key.pub", kind));
      const auto key = ssh_key_of(file);
      if (!key.empty()) keys_.push_back(key);
    }
    const auto finished = co_await read_file(session, "/var/lib/cloud/instance/boot-finished");
    initialized_ = !finished.empty();
  }
  facts.ssh_host_keys = keys_;
  facts.initialized = initialized_;
}

Async<ports::AgentFacts> QemuAgent::facts() {
  const auto session = session_;
  ports::AgentFacts facts;
  const auto info = co_await session->ask({.name = "guest-info", .arguments = {}});
  facts.version = text_of(info, "version");
  facts.host_name = text_of(co_await ask_if_known(session, "guest-get-host-name"), "host-name");
  const auto system = co_await ask_if_known(session, "guest-get-osinfo");
  facts.os = text_of(system, "pretty-name");
  facts.kernel = text_of(system, "kernel-release");
  facts.addresses = addresses_of(co_await ask_if_known(session, "guest-network-get-interfaces"));
  co_await read_keys(session, facts);
  co_return facts;
}

// Not answered when it succeeds. Asking for the agent first tells a silent agent from an obedient
// one.
Async<void> QemuAgent::shut_down() {
  const auto session = session_;
  co_await session->ask({.name = "guest-ping", .arguments = {}});
  json::Object mode{{"mode", "powerdown"}};
  co_await session->tell(
      {.name = "guest-shutdown", .arguments = std::move(mode), .limit = kRefusalLimit});
}

Async<void> QemuAgent::freeze() {
  const auto session = session_;
  const auto count = co_await session->ask(
      {.name = "guest-fsfreeze-freeze", .arguments = {}, .limit = kFreezeLimit});
  if (whole_number(count).value_or(0) > 0) co_return;
  throw Error(Reason::agent_failed, "the guest's agent froze no file system");
}

Async<void> QemuAgent::thaw() {
  const auto session = session_;
  co_await session->ask({.name = "guest-fsfreeze-thaw", .arguments = {}, .limit = kThawLimit});
}

Async<bool> QemuAgent::frozen() {
  const auto session = session_;
  const auto answer = co_await session->ask({.name = "guest-fsfreeze-status", .arguments = {}});
  const auto* text = answer.if_string();
  if (text == nullptr) throw Error(Reason::agent_failed, "the guest's agent says no status");
  co_return *text == "frozen";
}

// QEMU Guest Agent protocol reference, guest-set-time: nanoseconds since 1970.
Async<void> QemuAgent::set_time() {
  const auto session = session_;
  const std::int64_t now = clock_.wall().unix_ms * 1'000'000;
  json::Object arguments{{"time", now}};
  co_await session->ask({.name = "guest-set-time", .arguments = std::move(arguments)});
}

// QEMU Guest Agent protocol reference, guest-get-vcpus and guest-set-vcpus: the latter answers how
// many of the list it has done.
Async<void> QemuAgent::bring_cpus_online() {
  const auto session = session_;
  const auto answer = co_await session->ask({.name = "guest-get-vcpus", .arguments = {}});
  const auto* cpus = answer.if_array();
  if (cpus == nullptr) throw Error(Reason::agent_failed, "the guest's agent lists no CPUs");
  json::Array offline;
  for (const auto& entry : *cpus) {
    const auto* cpu = entry.if_object();
    const auto* number = cpu ? cpu->if_contains("logical-id") : nullptr;
    const auto* online = cpu ? cpu->if_contains("online") : nullptr;
    if (!number || !online || !number->is_number() || !online->is_bool()) {
      throw Error(Reason::agent_failed, "the guest's agent lists CPUs that make no sense");
    }
    if (!online->get_bool()) {
      offline.push_back(json::Object{{"logical-id", *number}, {"online", true}});
    }
  }
  if (offline.empty()) co_return;
  const auto wanted = offline.size();
  json::Object arguments{{"vcpus", std::move(offline)}};
  const auto done =
      co_await session->ask({.name = "guest-set-vcpus", .arguments = std::move(arguments)});
  const bool all = done.is_number() && done.to_number<std::uint64_t>() == wanted;
  if (!all) throw Error(Reason::agent_failed, "the guest's agent did not bring all CPUs online");
}

Async<ports::AgentCommandResult> QemuAgent::await_command(Session session, Clock& clock,
                                                          std::int64_t pid) {
  for (Duration pause = kFirstLook;; pause = std::min(pause * 3 / 2, kLongestLook)) {
    json::Object which{{"pid", pid}};
    const auto status = co_await session->ask({.name = "guest-exec-status",
                                               .arguments = std::move(which),
                                               .limit = std::chrono::seconds(30),
                                               .longest_answer = kLongestOutput});
    auto result = command_result(status);
    if (!result) throw std::move(result.error());
    if (*result) co_return std::move(**result);
    co_await sleep_for(clock, pause);
  }
}

Async<ports::AgentCommandResult> QemuAgent::run(ports::AgentCommand command) {
  const auto session = session_;
  Clock& clock = clock_;
  const auto started = co_await session->ask(exec_request(command));
  const auto* object = started.if_object();
  const auto* number = object == nullptr ? nullptr : object->if_contains("pid");
  const auto pid = number == nullptr ? std::nullopt : whole_number(*number);
  if (!pid) throw Error(Reason::agent_failed, "the guest's agent names no process");
  std::optional<ports::AgentCommandResult> result;
  bool late = false;
  try {
    co_await with_deadline(clock, command.limit, "the command",
                           store(result, await_command(session, clock, *pid)));
  } catch (const Error& error) {
    if (error.reason() != Reason::deadline) throw;
    late = true;
  }
  if (late) {
    throw Error(
        Reason::command_still_runs,
        fmt::format("{} did not end within {}; it goes on as process {} of the guest",
                    plain_text(command.argv.front(), kLongestText), to_text(command.limit), *pid))
        .remedy("wait longer (--timeout), or end it in the guest");
  }
  co_return std::move(*result);
}

}  // namespace ruche::drivers::qemu
