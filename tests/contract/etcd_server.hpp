// A real etcd member on free loopback ports, in a directory that goes with it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "contract/temporary_directory.hpp"

namespace ruche::contract {

class EtcdServer {
 public:
  explicit EtcdServer(std::string name = "test");
  ~EtcdServer();
  static bool installed();

  std::string peer() const;  // its part of --initial-cluster
  void start();              // a cluster of one
  void start(const std::string& initial_cluster);
  void kill();    // SIGKILL, and waits
  void freeze();  // SIGSTOP
  void thaw();    // SIGCONT
  std::uint16_t port() const { return client_port_; }

 private:
  TemporaryDirectory directory_;
  std::string name_;
  std::uint16_t client_port_;
  std::uint16_t peer_port_;
  pid_t pid_ = 0;
};

}  // namespace ruche::contract
