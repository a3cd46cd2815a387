// `ruche vm exec` and `ruche vm ssh`: into a guest, through its agent or over its network.
#pragma once

#include <string>
#include <vector>

#include "client/api_client.hpp"
#include "command_line.hpp"
#include "model/views.hpp"

namespace ruche::cli {

// The exit code is the command's own; its output went where ours goes.
Async<int> run_exec(client::ApiClient& client, ExecCommand command, bool as_json);

// Where an SSH server of the guest is reached from this machine.
struct SshRoute {
  std::string host;
  std::uint16_t port = 22;
};
// Throws no_route with what would make one. `local`: the daemon is on this machine; the addresses
// and ports of another host's guests lead nowhere from here.
SshRoute ssh_route(const model::VmView& vm, bool local);

// Where the keys of the guests that were visited are kept: below `state`, a directory of the user.
struct SshFiles {
  std::string known_hosts;  // the file
  std::string lines;        // what to write there; empty: leave it as it is
};
SshFiles ssh_files(const model::VmView& vm, const std::string& state);
std::vector<std::string> ssh_arguments(const model::VmView& vm, const SshRoute& route,
                                       const SshCommand& command, const SshFiles& files);

// Becomes ssh. Returns only by throwing.
Async<void> run_ssh(client::ApiClient& client, SshCommand command, bool local);

}  // namespace ruche::cli
