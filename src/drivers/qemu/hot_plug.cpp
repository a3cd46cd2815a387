#include "drivers/qemu/hot_plug.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "drivers/qemu/host_devices.hpp"
#include "drivers/qemu/launch.hpp"
#include "drivers/qemu/nics.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr Duration kPoll = std::chrono::milliseconds(50);
constexpr std::string_view kSetPrefix = "/dev/fdset/";

Async<void> wait_until_gone(HotPlug& plug, Clock& clock, std::string id) {
  while (true) {
    const bool there = co_await plug.has_device(id);
    if (!there) co_return;
    co_await sleep_for(clock, kPoll);
  }
}

// Of a path that stands for a set of descriptors.
std::optional<std::int64_t> set_of(const std::string& name) {
  if (!name.starts_with(kSetPrefix)) return std::nullopt;
  std::int64_t set = 0;
  const char* end = name.data() + name.size();
  if (std::from_chars(name.data() + kSetPrefix.size(), end, set).ptr != end) return std::nullopt;
  return set;
}

}  // namespace

Async<bool> HotPlug::has_device(std::string id) {
  json::Object where{{"path", "/machine/peripheral"}};
  const auto answer = co_await core_->qmp().execute("qom-list", std::move(where));
  if (!answer.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's devices are no list");
  co_return std::ranges::any_of(answer.get_array(), [&](const json::Value& entry) {
    return text_member(as_object(entry), "name") == id;
  });
}

Async<void> HotPlug::add_device(json::Object device) {
  auto adding = core_->qmp().execute("device_add", std::move(device));
  std::exception_ptr failure;
  try {
    co_await std::move(adding);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  co_await uninterrupted(undo());
  std::rethrow_exception(failure);
}

// QEMU keeps a descriptor of its own: the set is of no use afterwards.
Async<void> HotPlug::add_usb(std::string name, std::string path) {
  const auto set = co_await give_file(std::move(path), Arguments::Access::device);
  std::exception_ptr failure;
  try {
    co_await add_device(usb_device(name, set));
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  co_await uninterrupted(take_file(set));
  if (failure) std::rethrow_exception(failure);
}

// What cannot be taken back now is found by the next change of the same device.
Async<void> HotPlug::undo() {
  try {
    for (const auto& id : added_networks_) co_await remove_network(id);
    while (!added_nodes_.empty()) {
      const auto name = added_nodes_.back();
      added_nodes_.pop_back();
      co_await remove_nodes(name);
    }
  } catch (const Error& error) {
    core_->services().log.warning("qemu", error.full_message(),
                                  {{"guest", to_text(core_->record().guest)}});
  }
}

Async<void> HotPlug::remove_device(std::string id) {
  const bool there = co_await has_device(id);
  if (!there) co_return;
  std::optional<Error> refused;
  try {
    json::Object which{{"id", id}};
    co_await core_->qmp().execute("device_del", std::move(which));
  } catch (const Error& error) {
    refused = error;  // it is asked already, or it has just gone
  }
  const auto patience = core_->device_patience();
  auto gone = wait_until_gone(*this, core_->services().clock, id);
  std::optional<Error> late;
  try {
    co_await with_deadline(core_->services().clock, patience, "the device", std::move(gone));
  } catch (const Error& error) {
    late = error;
  }
  if (!late) co_return;
  if (late->reason() != Reason::deadline) throw std::move(*late);
  auto error = Error(Reason::guest_did_not_follow,
                     fmt::format("the guest did not let go of {} within {}", id, to_text(patience)))
                   .remedy(
                       "unmount or stop using it in the guest, then try again; a guest that "
                       "is still starting cannot let go of anything");
  if (refused) throw std::move(error).caused_by(*refused);
  throw error;
}

// --- nodes -----------------------------------------------------------------------------------

Async<std::vector<json::Object>> HotPlug::nodes() {
  json::Object flat{{"flat", true}};
  const auto answer = co_await core_->qmp().execute("query-named-block-nodes", std::move(flat));
  if (!answer.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's block nodes are no list");
  std::vector<json::Object> found;
  for (const auto& entry : answer.get_array()) found.push_back(as_object(entry));
  co_return found;
}

// A set of descriptors in QEMU that stands for the file; a read-only one lets the node be reopened
// read-only when a snapshot covers it.
Async<std::string> HotPlug::give_file(std::string path, Arguments::Access access) {
  std::vector<Descriptor> opened;
  opened = co_await core_->services().lane.run([&] {
    std::vector<Descriptor> files;
    using Access = Arguments::Access;
    if (access != Access::read_only) {
      files.push_back(open_for_qemu({.path = path, .writable = true}));
    }
    if (access != Access::device) files.push_back(open_for_qemu({.path = path}));
    return files;
  });
  std::optional<std::int64_t> set;
  for (const auto& file : opened) {
    json::Object arguments{{"opaque", path}};
    if (set) arguments["fdset-id"] = *set;
    set = co_await add_descriptor(file, std::move(arguments));
  }
  co_return fmt::format("{}{}", kSetPrefix, *set);
}

Async<std::int64_t> HotPlug::add_descriptor(const Descriptor& file, json::Object arguments) {
  std::vector<int> descriptors{file.get()};
  const auto answer =
      co_await core_->qmp().execute_with("add-fd", std::move(arguments), std::move(descriptors));
  co_return number_member(as_object(answer), "fdset-id");
}

Async<void> HotPlug::take_file(std::string name) {
  const auto set = set_of(name);
  if (!set) co_return;
  try {
    json::Object which{{"fdset-id", *set}};
    co_await core_->qmp().execute("remove-fd", std::move(which));
  } catch (const Error& error) {
    // Gone already: QEMU drops a set with its last user.
    core_->services().log.debug("qemu", error.full_message(),
                                {{"guest", to_text(core_->record().guest)}});
  }
}

Async<void> HotPlug::add_nodes(NodePair nodes) {
  const auto present = co_await this->nodes();
  const auto has = [&](const json::Object& wanted) {
    const auto name = text_member(wanted, "node-name");
    return std::ranges::any_of(
        present, [&](const auto& node) { return text_member(node, "node-name") == name; });
  };
  if (!has(nodes.file)) {
    const auto access =
        nodes.writable ? Arguments::Access::read_write : Arguments::Access::read_only;
    const auto set = co_await give_file(nodes.path, access);
    nodes.file["filename"] = set;
    added_nodes_.push_back(text_member(nodes.file, "node-name"));
    std::exception_ptr failure;
    try {
      co_await core_->qmp().execute("blockdev-add", nodes.file);
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    if (failure) {
      co_await uninterrupted(take_file(set));
      co_await uninterrupted(undo());
      std::rethrow_exception(failure);
    }
  }
  if (has(nodes.format)) co_return;
  added_nodes_.push_back(text_member(nodes.format, "node-name"));
  std::exception_ptr failure;
  try {
    co_await core_->qmp().execute("blockdev-add", nodes.format);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  co_await uninterrupted(undo());
  std::rethrow_exception(failure);
}

Async<bool> HotPlug::delete_node(std::string name) {
  std::optional<Error> failure;
  try {
    json::Object which{{"node-name", name}};
    co_await core_->qmp().execute("blockdev-del", std::move(which));
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return true;
  if (failure->full_message().find("is in use") == std::string::npos) throw std::move(*failure);
  co_return false;
}

// A node goes when nothing stands on it, and a device is out of QEMU's list a moment before it has
// let go of its own: what is in use is tried again after the others.
Async<void> HotPlug::delete_nodes(std::vector<std::string> names) {
  auto& clock = core_->services().clock;
  const auto give_up = clock.now() + core_->device_patience();
  while (!names.empty()) {
    std::vector<std::string> in_use;
    for (const auto& name : names) {
      const bool gone = co_await delete_node(name);
      if (!gone) in_use.push_back(name);
    }
    if (in_use.size() == names.size()) {
      if (clock.now() >= give_up) {
        throw Error(Reason::hypervisor_failed,
                    fmt::format("QEMU does not let go of {}: it is in use", in_use.front()));
      }
      co_await sleep_for(clock, kPoll);
    }
    names = std::move(in_use);
  }
}

// QEMU names its nodes newest first, which is from the top down. The file nodes name their
// descriptors.
Async<void> HotPlug::remove_nodes(std::string prefix, std::set<std::string> but) {
  const auto present = co_await nodes();
  std::set<std::string> kept;
  for (const auto& name : but) kept.insert({name, file_node(name)});
  std::vector<std::string> names;
  std::vector<std::string> files;
  for (const auto& node : present) {
    const auto name = text_member(node, "node-name");
    if (!name.starts_with(prefix) || kept.contains(name)) continue;
    names.push_back(name);
    if (text_member(node, "drv") == "file") files.push_back(text_member(node, "file"));
  }
  co_await delete_nodes(std::move(names));
  for (const auto& file : files) co_await take_file(file);
}

Async<void> HotPlug::let_write(NodePair nodes) {
  const auto name = text_member(nodes.file, "node-name");
  const auto present = co_await this->nodes();
  const auto node = std::ranges::find_if(present, [&](const json::Object& candidate) {
    return text_member(candidate, "node-name") == name;
  });
  if (node == present.end()) throw Error(Reason::hypervisor_failed, "QEMU has no node " + name);
  const auto place = text_member(*node, "file");
  const auto& read_only = member(*node, "ro");
  if (read_only.is_bool() && read_only.get_bool()) co_await exchange_file(place, nodes.path);
  nodes.file["filename"] = place;
  json::Array both;
  for (auto* options : {&nodes.file, &nodes.format}) {
    (*options)["read-only"] = false;
    both.push_back(*options);
  }
  json::Object wanted{{"options", std::move(both)}};
  co_await core_->qmp().execute("blockdev-reopen", std::move(wanted));
}

// QEMU's own lock against writers lies on the descriptor that the file was opened with, and goes
// with its last copy: no copy may stay in the set.
Async<void> HotPlug::exchange_file(std::string place, std::string path) {
  const auto set = set_of(place);
  if (!set) throw Error(Reason::hypervisor_failed, path + " is not open by a descriptor");
  const auto file = co_await core_->services().lane.run(
      [&] { return open_for_qemu({.path = path, .writable = true}); });
  const auto before = co_await descriptors_in(*set);
  json::Object where{{"fdset-id", *set}, {"opaque", path}};
  co_await add_descriptor(file, std::move(where));
  for (const auto number : before) {
    json::Object which{{"fdset-id", *set}, {"fd", number}};
    co_await core_->qmp().execute("remove-fd", std::move(which));
  }
}

// Its file stays open as it is, as that of a disk's former top.
Async<void> HotPlug::end_writing(json::Object format) {
  format["read-only"] = true;
  json::Array one;
  one.push_back(std::move(format));
  json::Object wanted{{"options", std::move(one)}};
  co_await core_->qmp().execute("blockdev-reopen", std::move(wanted));
}

Async<std::vector<std::int64_t>> HotPlug::descriptors_in(std::int64_t set) {
  const auto answer = co_await core_->qmp().execute("query-fdsets");
  if (!answer.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's descriptors are no list");
  std::vector<std::int64_t> numbers;
  for (const auto& entry : answer.get_array()) {
    if (number_member(as_object(entry), "fdset-id") != set) continue;
    const auto& descriptors = member(as_object(entry), "fds");
    if (!descriptors.is_array()) continue;
    for (const auto& one : descriptors.get_array()) {
      numbers.push_back(number_member(as_object(one), "fd"));
    }
  }
  co_return numbers;
}

Async<void> HotPlug::take_back(std::string purpose) {
  const auto answer = co_await core_->qmp().execute("query-fdsets");
  if (!answer.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's descriptors are no list");
  for (const auto& entry : answer.get_array()) {
    const auto& set = as_object(entry);
    const auto& descriptors = member(set, "fds");
    if (!descriptors.is_array()) continue;
    for (const auto& one : descriptors.get_array()) {
      const auto& descriptor = as_object(one);
      const auto* opaque = descriptor.if_contains("opaque");
      if (opaque == nullptr || !opaque->is_string()) continue;
      if (opaque->get_string() != purpose) continue;
      json::Object which{{"fdset-id", number_member(set, "fdset-id")},
                         {"fd", number_member(descriptor, "fd")}};
      co_await core_->qmp().execute("remove-fd", std::move(which));
    }
  }
}

// Asked of the device: a list of all drives tells of all that they stand on, as deep as that goes.
Async<std::string> HotPlug::node_of(std::string device) {
  json::Object which{{"path", "/machine/peripheral/" + device}, {"property", "drive"}};
  const auto answer = co_await core_->qmp().execute("qom-get", std::move(which));
  if (!answer.is_string()) throw Error(Reason::hypervisor_failed, "QEMU's drive is no text");
  co_return std::string(answer.get_string());
}

// --- networks --------------------------------------------------------------------------------

// A descriptor waits in QEMU under a name until the network takes it.
Async<json::Object> HotPlug::hand_over_port(model::NicSpec nic, ports::AttachedPort port) {
  const auto give = [this](this auto, std::string name, int descriptor) -> Async<void> {
    json::Object arguments{{"fdname", std::move(name)}};
    std::vector<int> descriptors{descriptor};
    co_await core_->qmp().execute_with("getfd", std::move(arguments), std::move(descriptors));
  };
  const auto tap = "tap-" + nic.name;
  const auto vhost = port.vhost ? "vhost-" + nic.name : std::string();
  co_await give(tap, port.tap->get());
  if (port.vhost) co_await give(vhost, port.vhost->get());
  co_return tap_network(nic, tap, vhost);
}

Async<void> HotPlug::add_network(json::Object network) {
  const auto id = text_member(network, "id");
  co_await core_->qmp().execute("netdev_add", std::move(network));
  added_networks_.push_back(id);
}

// QEMU has no list of its networks; one that is not there is refused.
Async<void> HotPlug::remove_network(std::string id) {
  try {
    json::Object which{{"id", id}};
    co_await core_->qmp().execute("netdev_del", std::move(which));
  } catch (const Error& error) {
    if (error.full_message().find("not found") == std::string::npos) throw;
  }
}

}  // namespace ruche::drivers::qemu
