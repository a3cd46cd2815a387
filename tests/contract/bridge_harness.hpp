// A host's networking in a network namespace of this test's own, with the real kernel, nft and
// dnsmasq. The threads and processes of the test are in it; nothing of the machine's own is
// touched.
#pragma once

#include <memory>
#include <string>

#include "base/descriptor.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "contract/network_suite.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/bridge/bridge_driver.hpp"
#include "drivers/linux/processes.hpp"

namespace ruche::contract {

// Why real networks cannot be tested here; empty when they can.
std::string no_real_networks();

class BridgeHarness : public NetworkHarness {
 public:
  BridgeHarness();
  ~BridgeHarness() override;
  ports::NetworkDriver& driver() override { return *driver_; }
  void run(std::function<Async<void>()> work) override;
  void restart() override;
  void occupy(const std::string& subnet) override;
  std::uint16_t listen() override;

  Clock& clock() { return loop_.clock(); }
  ports::Processes& processes() { return *processes_; }
  const std::string& directory() const { return directory_; }

 private:
  void open();
  void close();

  Loop loop_;
  MemoryLog log_;
  std::string directory_;
  std::unique_ptr<ports::Processes> processes_;
  std::unique_ptr<Lane> lane_;
  std::unique_ptr<ports::NetworkDriver> driver_;
  std::unique_ptr<Scope> scope_;
  Descriptor listener_;
};

// What a command of the shell prints, in the test's namespace.
std::string shell(const std::string& line);

}  // namespace ruche::contract
