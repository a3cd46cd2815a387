// The state of a cluster: a StateStore on etcd (3.4 or newer) through its v3 JSON gateway
// (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/). All keys are below one prefix. History
// is etcd's own: its servers run with --auto-compaction-mode=periodic
// --auto-compaction-retention=1h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "net/stream.hpp"
#include "ports/state_store.hpp"

namespace ruche::drivers::etcd {

struct Endpoint {
  std::string name;  // for the Host field, logs and errors: "10.0.0.1:2379"
  net::Connector connector;
};
Endpoint tcp_endpoint(net::TcpAddress address);

struct EtcdOptions {
  std::vector<Endpoint> endpoints;  // members of one cluster; tried in turn
  std::string prefix = "ruche/";
  Duration timeout{5'000};  // of one request to one member
  // A watch that is silent for this long makes sure that its member still has a quorum.
  Duration watch_check{10'000};
};

// Makes the store's id when there is none. Throws store_unavailable. Clock, random and log outlive
// the store; users and watches end before it does.
Async<std::unique_ptr<ports::StateStore>> open_store(EtcdOptions options, Clock& clock,
                                                     Random& random, Log& log);

}  // namespace ruche::drivers::etcd
