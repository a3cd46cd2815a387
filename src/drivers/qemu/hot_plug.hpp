// The pieces that device changes are made of: nodes with their files, devices, networks. All are
// idempotent. What this object added is taken away again when the change fails: add_device undoes
// the nodes, networks and threads that were added for it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

class HotPlug {
 public:
  explicit HotPlug(std::shared_ptr<MachineCore> core) : core_(std::move(core)) {}

  Async<bool> has_device(std::string id);
  Async<void> add_device(json::Object device);
  // Asks the guest for it and waits until it has let go. Throws guest_did_not_follow.
  Async<void> remove_device(std::string id);

  // One that QEMU reaches through a node of /dev.
  Async<void> add_usb(std::string name, std::string path);

  Async<void> add_nodes(NodePair nodes);
  // All nodes whose names begin so, but for some and what is below them; with their files.
  Async<void> remove_nodes(std::string prefix, std::set<std::string> but = {});

  Async<json::Object> hand_over_port(model::NicSpec nic, ports::AttachedPort port);
  Async<void> add_network(json::Object network);
  Async<void> remove_network(std::string id);

  // The node that a disk or a drive reads; empty: there is no medium.
  Async<std::string> node_of(std::string device);

  // QEMU's block nodes, as it says them.
  Async<std::vector<json::Object>> nodes();
  // The layer's nodes may be written to from now on, as the ones of a disk's top always could.
  Async<void> let_write(NodePair nodes);
  // In the words of blockdev-add, with what it stands on now. Others may open the file again.
  Async<void> end_writing(json::Object format);
  // All descriptors that QEMU was given for it, also by an earlier daemon.
  Async<void> take_back(std::string purpose);

 private:
  Async<std::string> give_file(std::string path, Arguments::Access access);
  Async<void> take_file(std::string name);
  Async<bool> delete_node(std::string name);
  Async<void> delete_nodes(std::vector<std::string> names);
  Async<std::int64_t> add_descriptor(const Descriptor& file, json::Object arguments);
  Async<void> exchange_file(std::string place, std::string path);
  Async<std::vector<std::int64_t>> descriptors_in(std::int64_t set);
  Async<void> undo();

  std::shared_ptr<MachineCore> core_;
  std::vector<std::string> added_nodes_;
  std::vector<std::string> added_networks_;
};

}  // namespace ruche::drivers::qemu
