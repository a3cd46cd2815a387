// What a client of a simulated cluster does: it asks a host and remembers the answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/checkers.hpp"
#include "sim/sim_host.hpp"

namespace ruche::sim {

using Request = std::function<Async<core::Accepted>(core::HostControl&)>;

// The answer that a client got; none when the daemon died over it.
struct Answer {
  std::optional<core::Accepted> accepted;
  std::optional<Error> refused;
  bool came() const { return accepted || refused; }
};
std::shared_ptr<Answer> ask(SimHost& host, std::string what, Request request);

// Asks, and runs until the answer came and its task has ended. Throws when either does not happen.
model::Task ask_and_wait(SimCluster& cluster, SimHost& host, const Request& request);
void wait_until_quiet(SimCluster& cluster);

// Starts the hosts and waits for them; "demo" is an image on the datastore `datastore`.
void start_all(SimCluster& cluster);
void add_shared_datastore(SimCluster& cluster, SimHost& host);
void import_demo(SimCluster& cluster, SimHost& host, const std::string& datastore);

// The requests, by name.
namespace requests {
Request create(model::CreateVm request);
Request create_demo(std::string name, bool start = false);
Request register_vm(std::string vm, std::string datastore);
Request start(std::string vm);
Request stop(std::string vm, bool force = false);
Request shutdown(std::string vm, bool then_stop = false);
Request pause(std::string vm);
Request resume(std::string vm);
Request suspend(std::string vm);
Request discard(std::string vm);
Request reset(std::string vm);
Request freeze(std::string vm, Duration hold);
Request thaw(std::string vm);
Request remove(std::string vm, bool purge = false, bool stop = false);
Request undelete(std::string vm, std::string new_name = {});
// A filter finds nothing here: its language is the API's.
Request bulk(model::BulkVms request, bool dry_run = false);
Request move(std::string vm, std::string host);
Request describe(std::string vm, std::string description);
Request rename(std::string vm, std::string name);
Request edit(std::string vm, std::function<void(model::VmEdit&)> change);
Request add_disk(model::AddDisk request);
Request remove_disk(std::string vm, std::string disk);
Request grow_disk(std::string vm, std::string disk, Bytes size);
Request edit_disk(std::string vm, std::string disk, std::function<void(model::DiskEdit&)> change);
Request add_nic(model::AddNic request);
Request remove_nic(std::string vm, std::string nic);
Request add_share(model::AddShare request);
Request remove_share(std::string vm, std::string share);
Request add_usb(model::AddUsb request);
Request remove_usb(std::string vm, std::string usb);
Request add_pci(model::AddPci request);
Request remove_pci(std::string vm, std::string pci);
Request edit_nic(std::string vm, std::string nic, std::function<void(model::NicEdit&)> change);
Request add_drive(std::string vm, std::string image = {});
Request remove_drive(std::string vm, std::string drive);
Request insert(std::string vm, std::string drive, std::string image);
Request eject(std::string vm, std::string drive);
Request snapshot(model::CreateSnapshot request);
Request snapshot(std::string vm, std::string name, bool memory = false);
Request revert(std::string vm, std::string snapshot, bool start = false);
Request delete_snapshot(std::string vm, std::string snapshot, bool children = false);
Request flatten(std::string vm);
Request clone(model::CloneVm request);
Request import_image(std::string name, std::string datastore);
Request import_from(model::ImportImageRequest request);
Request build_image(std::string name, std::string datastore);
Request remove_image(std::string name);
Request create_datastore(std::string name, std::string path, bool shared, bool adopt = false);
Request remove_datastore(std::string name);
Request create_network(std::string name);
Request remove_network(std::string name);
Request forward(std::string network, std::uint16_t port, std::string target);
// The same request with an idempotency key.
Request keyed(Request request, std::string key);
}  // namespace requests

// The guest with this name, in the recycle bin or not; null when there is none.
const model::Guest* guest_named(const StoreTruth& truth, const std::string& name);
model::GuestState state_of(const StoreTruth& truth, const std::string& name);
// The snapshots of a guest by their names.
std::map<std::string, model::Snapshot> snapshots_of(const StoreTruth& truth,
                                                    const std::string& guest);
// What the guest's disk shows, as its document says it.
Writes shown_of(SimCluster& cluster, const std::string& guest, const std::string& disk = "disk0");
Writes shown_of(SimCluster& cluster, model::LayerId layer);

}  // namespace ruche::sim
