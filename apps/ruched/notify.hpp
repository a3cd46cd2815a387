// Tells systemd that the daemon is ready (sd_notify(3)); nothing without NOTIFY_SOCKET.
#pragma once

namespace ruche::apps {

void notify_ready();

}  // namespace ruche::apps
