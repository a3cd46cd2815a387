#include "guest_access.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/base64.hpp"
#include "methods/tables.hpp"
#include "output.hpp"

namespace ruche::cli {

namespace {

constexpr std::size_t kMostInput = 700 * 1024;  // in base64 it is less than a MiB
constexpr json::DecodeOptions kLenient{.unknown_fields = json::UnknownFields::ignore};

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error(Reason::io_failed, "the output cannot be written");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string bytes_of(const std::string& base64) {
  auto bytes = parse_base64(base64);
  if (!bytes) throw Error(Reason::protocol_violation, "the daemon's answer is not base64");
  return std::move(*bytes);
}

std::string read_input() {
  std::string input(kMostInput + 1, '\0');
  std::cin.read(input.data(), static_cast<std::streamsize>(input.size()));
  input.resize(static_cast<std::size_t>(std::cin.gcount()));
  if (input.size() > kMostInput) {
    throw Error(Reason::body_too_large, "the input is too long for a guest's agent")
        .remedy("copy it over: ruche vm ssh VM -- 'cat > FILE'");
  }
  return input;
}

void say_if_cut(bool cut, const char* what) {
  if (cut) fmt::print(stderr, "ruche: {} was cut off by the guest's agent\n", what);
}

const methods::Method& method_named(std::string_view id) {
  const auto* method = methods::find(id);
  if (method == nullptr) throw Error(Reason::internal_error, fmt::format("no method {}", id));
  return *method;
}

Async<model::VmView> show(client::ApiClient& client, const std::string& vm) {
  client::Arguments arguments;
  arguments.path = {{"vm", vm}};
  const auto response = co_await client.call(method_named("vm.show"), std::move(arguments));
  co_return json::decode<model::VmView>(response.body, kLenient);
}

std::string alias_of(const model::VmView& vm) { return "ruche-" + to_text(vm.id); }

std::string state_directory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return state;
  }
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "/tmp" : home) + "/.local/state";
}

void keep(const SshFiles& files) {
  std::error_code failure;
  const auto directory = std::filesystem::path(files.known_hosts).parent_path();
  std::filesystem::create_directories(directory, failure);
  if (failure) throw Error(Reason::io_failed, directory.string() + ": " + failure.message());
  if (files.lines.empty()) return;
  const auto temporary = files.known_hosts + ".new";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) throw Error(Reason::io_failed, temporary + ": " + std::strerror(errno));
  write_all(file, files.lines);
  ::close(file);
  if (::rename(temporary.c_str(), files.known_hosts.c_str()) != 0) {
    throw Error(Reason::io_failed, files.known_hosts + ": " + std::strerror(errno));
  }
}

}  // namespace

Async<int> run_exec(client::ApiClient& client, ExecCommand command, bool as_json) {
  model::ExecVm request;
  request.vm = command.vm;
  request.command = command.words;
  request.environment = command.environment;
  if (command.timeout) request.timeout = *command.timeout;
  if (command.with_input) request.input_base64 = to_base64(read_input());
  const auto& method = method_named("vm.exec");
  auto arguments = client::arguments_of(method, request);
  arguments.patience = request.timeout;
  const auto response = co_await client.call(method, std::move(arguments));
  const auto result = json::decode<model::ExecResult>(response.body, kLenient);
  if (as_json) {
    write_all(STDOUT_FILENO, pretty_json(response.body));
    co_return 0;
  }
  write_all(STDOUT_FILENO, bytes_of(result.output_base64));
  write_all(STDERR_FILENO, bytes_of(result.error_output_base64));
  say_if_cut(result.output_cut, "the output");
  say_if_cut(result.error_output_cut, "the standard error");
  co_return std::clamp(result.exit_code, 0, 255);
}

SshRoute ssh_route(const model::VmView& vm, bool local) {
  if (!local) {
    throw Error(Reason::no_route, fmt::format("{} is reached from its host only", vm.name))
        .remedy(fmt::format("log in to {} and run the command there, or use: ruche vm exec",
                            vm.placement.host));
  }
  for (const auto& nic : vm.spec.nics) {
    for (const auto& forward : nic.forwards) {
      if (forward.guest_port == 22) return {"127.0.0.1", forward.host_port};
    }
  }
  for (const auto& nic : vm.spec.nics) {
    if (nic.kind != model::NicKind::user && !nic.address.empty()) return {nic.address, 22};
  }
  const bool reachable = std::ranges::any_of(
      vm.spec.nics, [](const auto& nic) { return nic.kind != model::NicKind::user; });
  if (!reachable) {
    throw Error(Reason::no_route, fmt::format("nothing leads from here into {}", vm.name))
        .remedy(vm.spec.nics.empty()
                    ? "it has no network adapter; use: ruche vm console " + vm.name
                    : "QEMU's user network lets nobody in but through a forwarded port: create it "
                      "with --forward 2222:22, or on a network");
  }
  if (vm.status.addresses.empty()) {
    throw Error(Reason::no_route, fmt::format("{} has no known address yet", vm.name))
        .remedy("wait until its agent answers: ruche vm show " + vm.name);
  }
  return {vm.status.addresses.front(), 22};
}

SshFiles ssh_files(const model::VmView& vm, const std::string& state) {
  SshFiles files{fmt::format("{}/ruche/ssh/{}", state, to_text(vm.id)), {}};
  if (!vm.status.agent) return files;
  for (const auto& key : vm.status.agent->ssh_host_keys) {
    // A line of a file that ssh believes: nothing but a type and a key may be in it.
    const bool plain = std::ranges::none_of(key, [](char c) { return c < ' ' || c > '~'; }) &&
                       std::ranges::count(key, ' ') == 1;
    if (plain) files.lines += fmt::format("{} {}\n", alias_of(vm), key);
  }
  return files;
}

std::vector<std::string> ssh_arguments(const model::VmView& vm, const SshRoute& route,
                                       const SshCommand& command, const SshFiles& files) {
  std::string user = command.user;
  if (user.empty() && vm.spec.cloud_init) user = vm.spec.cloud_init->user;
  std::vector<std::string> words{"ssh"};
  const auto option = [&words](const std::string& text) {
    words.insert(words.end(), {"-o", text});
  };
  option("HostKeyAlias=" + alias_of(vm));
  option(fmt::format("UserKnownHostsFile=\"{}\"", files.known_hosts));
  option("GlobalKnownHostsFile=/dev/null");
  // Its agent told the key over a channel that nobody else is on; else the first visit decides.
  option(fmt::format("StrictHostKeyChecking={}", files.lines.empty() ? "accept-new" : "yes"));
  words.insert(words.end(), {"-p", std::to_string(route.port)});
  if (!command.identity.empty()) words.insert(words.end(), {"-i", command.identity});
  if (!user.empty()) words.insert(words.end(), {"-l", user});
  words.push_back(route.host);
  words.insert(words.end(), command.words.begin(), command.words.end());
  return words;
}

Async<void> run_ssh(client::ApiClient& client, SshCommand command, bool local) {
  const auto vm = co_await show(client, command.vm);
  if (vm.status.state != model::GuestState::running) {
    throw Error(Reason::wrong_state, fmt::format("{} is {}", vm.name, enum_name(vm.status.state)))
        .remedy("start it: ruche vm start " + vm.name);
  }
  const auto files = ssh_files(vm, state_directory());
  const auto route = ssh_route(vm, local);
  const auto words = ssh_arguments(vm, route, command, files);
  keep(files);
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::fflush(nullptr);
  ::execvp(argv.front(), argv.data());
  throw Error(Reason::process_failed, fmt::format("ssh: {}", std::strerror(errno)))
      .remedy("install the package openssh-client");
}

}  // namespace ruche::cli
