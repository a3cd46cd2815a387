#include "core/guests/hardware_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/guests/device_changes.hpp"
#include "core/guests/guest_documents.hpp"
#include "core/guests/machine_spec.hpp"
#include "core/placement/reservations.hpp"
#include "core/storage/layers.hpp"
#include "model/guest_rules.hpp"
#include "model/hardware_change.hpp"
#include "model/passthrough.hpp"

namespace ruche::core {

// A guest that has a process here, what that has, and what it can become of the wish.
struct HardwareSteps::Target {
  std::shared_ptr<ports::Machine> machine;
  model::VmSpec now;
  model::VmSpec reachable;
};

namespace {

model::GuestId guest_of(const model::Step& step) {
  const auto* change = std::get_if<model::ChangeHardware>(&step);
  return change ? change->guest : std::get<model::GrowDisk>(step).guest;
}

std::string describe(const ports::DeviceChange& change) {
  return std::visit(
      [](const auto& c) -> std::string {
        if constexpr (requires { c.disk.name; }) return "changing " + c.disk.name;
        if constexpr (requires { c.nic.name; }) return "changing " + c.nic.name;
        if constexpr (requires { c.device.name; }) return "changing " + c.device.name;
        if constexpr (requires { c.drive.name; }) return "changing " + c.drive.name;
        if constexpr (requires { c.cpus; }) return fmt::format("waiting for {} CPUs", c.cpus);
        if constexpr (requires { c.target; }) {
          return "telling the guest to use at most " + to_text(c.target);
        }
        if constexpr (requires { c.size; }) {
          return fmt::format("waiting for the guest to have {}", to_text(c.size));
        }
        if constexpr (requires { c.pins; }) return "pinning its CPUs";
      },
      change);
}

ports::Devices& devices_of(ports::Machine& machine) {
  auto* devices = machine.devices();
  if (devices == nullptr) {
    throw Error(Reason::host_cannot, "this hypervisor changes no devices while a guest runs");
  }
  return *devices;
}

}  // namespace

bool HardwareSteps::handles(const model::Step& step) const {
  return std::holds_alternative<model::ChangeHardware>(step) ||
         std::holds_alternative<model::GrowDisk>(step);
}

// A change that is made already is made again, which changes nothing.
Async<Observation> HardwareSteps::observe(const model::Step&, const StepContext&) {
  co_return Observation::absent;
}

// Null when the guest has no process. One that an earlier daemon left and that does not answer is
// not taken for none: what it has would not be known.
Async<std::shared_ptr<ports::Machine>> HardwareSteps::find_machine(model::GuestId id) {
  if (auto held = parts_.live.find(id)) co_return held;
  const auto found = co_await parts_.hypervisor.survey();
  const bool alive = std::ranges::any_of(
      found, [id](const auto& machine) { return machine.guest == id && machine.alive; });
  if (!alive) co_return nullptr;
  std::shared_ptr<ports::Machine> adopted = co_await parts_.hypervisor.adopt(id);
  if (adopted) parts_.live.put(id, adopted);
  co_return adopted;
}

Async<std::optional<HardwareSteps::Target>> HardwareSteps::target(model::GuestId id) {
  auto machine = co_await find_machine(id);
  const auto& guests = parts_.writer.inventory().guests();
  const auto found = guests.find(id.value);
  if (found == guests.end() || !found->second->complete() || !found->second->status) {
    co_return std::nullopt;
  }
  const auto& running = found->second->status->value.running;
  if (!machine || !running) co_return std::nullopt;
  auto plan = model::plan_change(*running, found->second->spec->value.spec);
  co_return Target{std::move(machine), running->spec, std::move(plan.reachable)};
}

Async<void> HardwareSteps::apply(const model::Step& step, const StepContext& context) {
  const auto id = guest_of(step);
  const auto hold = co_await parts_.live.hold(id);
  if (const auto* growth = std::get_if<model::GrowDisk>(&step)) co_return co_await grow(*growth);
  left_with_.erase(id);
  const auto aim = co_await target(id);
  if (!aim) co_return;
  co_await carry_out(id, *aim->machine, aim->now, aim->reachable, context);
  co_await remember(id, *aim->machine);
}

Async<void> HardwareSteps::revert(const model::Step& step, const StepContext& context) {
  const auto id = guest_of(step);
  const auto hold = co_await parts_.live.hold(id);
  if (const auto* growth = std::get_if<model::GrowDisk>(&step)) {
    co_return co_await look_at_size(*growth);
  }
  left_with_.erase(id);
  const auto aim = co_await target(id);
  if (!aim) co_return;
  co_await take_back(id, *aim->machine, aim->reachable, aim->now, context);
  co_await remember(id, *aim->machine);
}

Async<void> HardwareSteps::carry_out(model::GuestId guest, ports::Machine& machine,
                                     model::VmSpec from, model::VmSpec to,
                                     const StepContext& context) {
  for (auto& change : device_changes(from, to)) {
    co_await make(guest, machine, std::move(change), to.cpus > from.cpus, context);
  }
}

// A guest that did its part may refuse to take it back. Everything else is taken back all the same,
// and what it has then is known: what was never made is none of the changes that fail.
Async<void> HardwareSteps::take_back(model::GuestId guest, ports::Machine& machine,
                                     model::VmSpec from, model::VmSpec to,
                                     const StepContext& context) {
  auto has = from;
  std::optional<Error> refused;
  for (auto& change : device_changes(from, to)) {
    const auto made = change;
    try {
      co_await make(guest, machine, std::move(change), false, context);
      note_change(has, made);
    } catch (const Error& error) {
      // A USB device that was pulled out meanwhile is left out, as at a start.
      const bool pulled_out =
          std::holds_alternative<ports::PlugUsb>(made) && error.reason() == Reason::no_such_object;
      if (pulled_out) continue;
      if (error.reason() != Reason::guest_did_not_follow) throw;
      refused = error;
    }
  }
  left_with_[guest] = std::move(has);
  if (refused) throw std::move(*refused);
}

Async<void> HardwareSteps::make(model::GuestId guest, ports::Machine& machine,
                                ports::DeviceChange change, bool more_cpus,
                                const StepContext& context) {
  auto& devices = devices_of(machine);
  context.progress({}, {}, describe(change));
  co_await complete(guest, change);
  if (const auto* unplug = std::get_if<ports::UnplugNic>(&change)) {
    const auto nic = unplug->nic;
    co_await devices.change(std::move(change));
    co_return co_await parts_.networks.unplug(guest, nic);
  }
  const bool cpus_come = more_cpus && std::holds_alternative<ports::SetCpus>(change);
  co_await devices.change(std::move(change));
  auto* agents = machine.agents();
  if (!cpus_come || agents == nullptr || !agents->connected()) co_return;
  try {
    co_await agents->bring_cpus_online();
  } catch (const Error& error) {
    // Its own system may do it all the same; they are there.
    context.progress({}, {}, "the agent did not bring the CPUs online: " + error.message());
  }
}

// Fills in what only this host knows: files, ports and nodes.
Async<void> HardwareSteps::complete(model::GuestId guest, ports::DeviceChange& change) {
  const auto& inventory = parts_.writer.inventory();
  if (auto* plug = std::get_if<ports::PlugDisk>(&change)) {
    plug->files = machine_disk(inventory, parts_.pool, plug->disk);
  } else if (auto* medium = std::get_if<ports::ChangeMedium>(&change)) {
    if (medium->drive.layer) {
      medium->path = layer_path(inventory, parts_.pool, *medium->drive.layer);
    }
  } else if (auto* usb = std::get_if<ports::PlugUsb>(&change)) {
    const auto facts = co_await parts_.host_info.inspect();
    auto node = model::node_of(facts, usb->device);
    if (!node) throw std::move(node.error());
    usb->path = std::move(*node);
  } else if (auto* nic = std::get_if<ports::PlugNic>(&change)) {
    if (!nic->nic.network) co_return;
    const auto wanted = nic->nic;
    try {
      nic->port = co_await parts_.networks.plug(guest, wanted);
    } catch (const Error& error) {
      if (error.reason() != Reason::in_use) throw;  // the process has it already
    }
  }
}

// What is not heard now is seen to by the agent; the change is made all the same.
Async<void> HardwareSteps::remember(model::GuestId guest, ports::Machine& machine) {
  seen_.erase(guest);
  try {
    auto status = co_await machine.status();
    if (status.state != ports::MachineState::gone) seen_[guest] = std::move(status);
  } catch (const Error& error) {
    if (error.reason() != Reason::hypervisor_failed) throw;
  }
}

Async<void> HardwareSteps::grow(model::GrowDisk step) {
  const auto& inventory = parts_.writer.inventory();
  const auto layer = inventory.layer(step.layer);
  if (!layer) throw Error(Reason::no_such_object, "the disk's layer is gone");
  const auto ref = volume_ref(layer->value);
  const auto driver = parts_.pool.driver(layer->value.datastore);
  const auto machine = co_await find_machine(step.guest);
  if (!machine) co_return co_await driver->grow(ref, step.size);
  model::DiskSpec disk;
  disk.name = step.disk;
  co_await devices_of(*machine).grow(disk, step.size);
}

Async<void> HardwareSteps::look_at_size(model::GrowDisk step) {
  grown_.erase(step.layer);
  const auto layer = parts_.writer.inventory().layer(step.layer);
  if (!layer) co_return;
  const auto driver = parts_.pool.driver(layer->value.datastore);
  const auto ref = volume_ref(layer->value);
  const auto size = co_await driver->size(ref);
  if (size == step.size) grown_.insert(step.layer);
}

// --- documents -----------------------------------------------------------------------------------

void HardwareSteps::settle(const model::Step& step, Outcome outcome, const Error*, Draft& draft) {
  const bool done = outcome == Outcome::done;
  const auto id = guest_of(step);
  if (!draft.inventory().guests().contains(id.value)) return;
  if (const auto* growth = std::get_if<model::GrowDisk>(&step)) {
    return settle_growth(draft, *growth, done);
  }
  settle_change(draft, id, done);
}

void HardwareSteps::settle_change(Draft& draft, model::GuestId id, bool done) {
  const auto* known = draft.find_guest_status(id);
  if (!known || !known->running || !draft.find_placement(id.value)) return;
  if (const auto seen = seen_.find(id); seen != seen_.end()) {
    settle_alive(draft, id, seen->second);
  }
  auto& running = *draft.guest_status(id).running;
  if (done) running.spec = model::plan_change(running, draft.guest(id).spec).reachable;
  if (const auto left = left_with_.find(id); !done && left != left_with_.end()) {
    running.spec = left->second;
  }
  reserve_exactly(draft, id, model::reservation_of(running.spec, parts_.overhead));
}

void HardwareSteps::settle_growth(Draft& draft, const model::GrowDisk& step, bool done) {
  const auto size = done || grown_.contains(step.layer) ? step.size : step.before;
  const auto resize = [&](std::vector<model::DiskSpec>& disks) {
    const auto disk = std::ranges::find(disks, step.disk, &model::DiskSpec::name);
    if (disk != disks.end()) disk->size = size;
  };
  resize(draft.guest(step.guest).spec.disks);
  if (draft.find_layer(step.layer)) resize_layer(draft, step.layer, size);
  const auto* known = draft.find_guest_status(step.guest);
  if (known && known->running) resize(draft.guest_status(step.guest).running->spec.disks);
}

}  // namespace ruche::core
