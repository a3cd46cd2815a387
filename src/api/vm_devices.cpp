// Devices of virtual machines.
#include "api/call.hpp"
#include "api/live.hpp"
#include "core/guests/hardware_service.hpp"
#include "methods/tables.hpp"
#include "model/device_abilities.hpp"

namespace ruche::api {

namespace {

template <class Edit>
std::function<void(Edit&)> patch_of(const Call& call) {
  return [patch = std::string(patch_text(call.query(), call.body()))](Edit& edit) {
    auto ok = json::merge_patch_into(type_of<Edit>(), &edit, patch, {.allow_read_only = false});
    if (!ok) throw std::move(ok.error());
  };
}

Async<void> set_disk(Call& call, Context& context) {
  const model::DiskRef which{call.parameter("vm"), call.parameter("disk")};
  auto caller = call.caller(context.parts.inventory);
  auto accepted = co_await context.parts.hardware.edit_disk(std::move(caller), which,
                                                            patch_of<model::DiskEdit>(call));
  co_await respond_accepted(call, context, std::move(accepted));
}

Async<void> set_nic(Call& call, Context& context) {
  const model::NicRef which{call.parameter("vm"), call.parameter("nic")};
  auto caller = call.caller(context.parts.inventory);
  auto accepted = co_await context.parts.hardware.edit_nic(std::move(caller), which,
                                                           patch_of<model::NicEdit>(call));
  co_await respond_accepted(call, context, std::move(accepted));
}

Async<void> list_devices(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  const auto record = find_vm(context, request.vm);
  const methods::Page<model::DeviceView> page{model::devices_of(record->spec->value.spec), {}};
  co_await respond_value(call, page);
}

Async<void> show_memory(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  const auto record = find_vm(context, request.vm);
  const auto machine = live_machine(context, *record, "memory");
  auto* devices = machine->devices();
  if (devices == nullptr) throw Error(Reason::host_cannot, "this hypervisor says nothing of it");
  const auto facts = co_await devices->memory();
  const model::MemoryView view{facts.plugged, facts.available, facts.total, facts.free,
                               facts.usable};
  co_await respond_value(call, view);
}

}  // namespace

void add_vm_device_handlers(Registry& registry, Context& context) {
  core::HardwareService& hardware = context.parts.hardware;
  registry.add("vm.disk.set", [&context](Call& call) { return set_disk(call, context); });
  registry.add("vm.nic.set", [&context](Call& call) { return set_nic(call, context); });
  registry.add("vm.devices", [&context](Call& call) { return list_devices(call, context); });
  registry.add("vm.memory", [&context](Call& call) { return show_memory(call, context); });
  const auto add = [&](std::string_view id, auto accept) {
    registry.add(id, service_handler(context, hardware, accept));
  };
  add("vm.disk.add", &core::HardwareService::add_disk);
  add("vm.disk.remove", &core::HardwareService::remove_disk);
  add("vm.disk.grow", &core::HardwareService::grow_disk);
  add("vm.nic.add", &core::HardwareService::add_nic);
  add("vm.nic.remove", &core::HardwareService::remove_nic);
  add("vm.cdrom.add", &core::HardwareService::add_drive);
  add("vm.cdrom.remove", &core::HardwareService::remove_drive);
  add("vm.cdrom.insert", &core::HardwareService::insert_medium);
  add("vm.cdrom.eject", &core::HardwareService::eject_medium);
  add("vm.share.add", &core::HardwareService::add_share);
  add("vm.share.remove", &core::HardwareService::remove_share);
  add("vm.usb.add", &core::HardwareService::add_usb);
  add("vm.usb.remove", &core::HardwareService::remove_usb);
  add("vm.pci.add", &core::HardwareService::add_pci);
  add("vm.pci.remove", &core::HardwareService::remove_pci);
}

}  // namespace ruche::api
