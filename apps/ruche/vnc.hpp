// `ruche vm vnc`: a local port or socket that leads a VNC viewer to a guest's screen.
#pragma once

#include "client/api_client.hpp"
#include "command_line.hpp"

namespace ruche::cli {

// Serves viewers until cancelled, or until the first one has left. Throws at once when the guest
// has no screen now. The exit code.
Async<int> run_vnc(client::ApiClient& client, VncCommand command);

}  // namespace ruche::cli
