#include "api/render.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/tasks/task_parts.hpp"
#include "core/tasks/task_service.hpp"

namespace ruche::api {

std::string Renderer::host_name(model::HostId id) const {
  const auto found = parts_.inventory.hosts().find(id.value);
  if (found == parts_.inventory.hosts().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}

std::string Renderer::datastore_name(model::DatastoreId id) const {
  const auto found = parts_.inventory.datastores().find(id.value);
  if (found == parts_.inventory.datastores().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}

std::string Renderer::image_name(model::ImageId id) const {
  const auto found = parts_.inventory.images().find(id.value);
  if (found == parts_.inventory.images().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}

std::string Renderer::pool_name(model::PoolId id) const {
  const auto found = parts_.inventory.pools().find(id.value);
  if (found == parts_.inventory.pools().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}

const Renderer::Counts& Renderer::counts() const {
  if (counts_) return *counts_;
  Counts& counts = counts_.emplace();
  for (const auto& [id, record] : parts_.inventory.guests()) {
    if (!record->complete()) continue;
    if (record->spec->value.pool) ++counts.guests_of_pool[*record->spec->value.pool];
    if (record->spec->value.image) ++counts.guests_of_image[*record->spec->value.image];
    for (const auto& nic : record->spec->value.spec.nics) {
      if (nic.network) ++counts.guests_of_network[*nic.network];
    }
    auto& [all, running] = counts.guests_of_host[record->placement->value.host];
    if (!record->spec->value.deleted_at) ++all;
    if (record->status && record->status->value.state == model::GuestState::running) ++running;
  }
  for (const auto& [id, layer] : parts_.inventory.layers()) {
    ++counts.layers_of_datastore[layer->value.datastore];
  }
  return counts;
}

std::uint32_t Renderer::snapshots_of(model::GuestId guest) const {
  if (!snapshots_of_guest_) {
    auto& counted = snapshots_of_guest_.emplace();
    for (const auto& [id, snapshot] : parts_.inventory.snapshots()) {
      ++counted[snapshot->value.guest];
    }
  }
  const auto found = snapshots_of_guest_->find(guest);
  return found == snapshots_of_guest_->end() ? 0 : found->second;
}

std::string Renderer::snapshot_name(model::SnapshotId id) const {
  const auto found = parts_.inventory.snapshots().find(id.value);
  return found == parts_.inventory.snapshots().end() ? to_text(id) : found->second->value.name;
}

model::VmView Renderer::vm(const core::GuestRecord& record, Detail detail) const {
  const model::Guest& guest = record.spec->value;
  model::VmView view;
  view.id = guest.id;
  view.name = guest.name;
  view.display_name = guest.display_name;
  view.description = guest.description;
  view.tags = guest.tags;
  if (guest.image) view.image = image_name(*guest.image);
  view.datastore = datastore_name(guest.datastore);
  if (guest.pool) view.pool = pool_name(*guest.pool);
  view.is_template = guest.is_template;
  if (guest.snapshot) view.snapshot = snapshot_name(*guest.snapshot);
  view.snapshots = snapshots_of(guest.id);
  view.uid = guest.uid;
  view.spec = guest.spec;
  if (record.status) {
    view.status = record.status->value;
    if (detail == Detail::list) {
      view.status.qemu_argv.clear();
      view.status.running.reset();
    } else if (view.status.running) {
      view.pending = model::pending_changes(*view.status.running, guest.spec);
    }
  }
  if (record.placement) {
    const auto& placement = record.placement->value;
    view.placement = {host_name(placement.host), placement.host, placement.epoch, placement.wish,
                      placement.reserved};
    view.claims = placement.claims;
  }
  view.etag = etag_of(parts_.inventory, record.spec->revision);
  view.created_at = guest.created_at;
  view.deleted_at = guest.deleted_at;
  return view;
}

model::ImageView Renderer::image(const core::ImageRecord& record) const {
  const model::Image& image = record.spec->value;
  const auto guests = counts().guests_of_image.find(image.id);
  model::ImageView view;
  view.id = image.id;
  view.name = image.name;
  view.description = image.description;
  view.datastore = datastore_name(image.datastore);
  view.kind = image.kind;
  view.size = image.size;
  view.boot = image.boot.kind;
  view.command_line = image.boot.command_line;
  view.state = image.state;
  view.source = image.source;
  view.checksum = image.checksum;
  view.guests = guests == counts().guests_of_image.end() ? 0 : guests->second;
  view.etag = etag_of(parts_.inventory, record.spec->revision);
  view.created_at = image.created_at;
  return view;
}

model::DatastoreView Renderer::datastore(const core::DatastoreRecord& record) const {
  const model::Datastore& datastore = record.spec->value;
  const auto layers = counts().layers_of_datastore.find(datastore.id);
  model::DatastoreView view;
  view.id = datastore.id;
  view.name = datastore.name;
  view.kind = datastore.kind;
  view.path = datastore.path;
  view.shared = datastore.shared;
  if (datastore.host) view.host = host_name(*datastore.host);
  if (record.status) view.status = record.status->value;
  view.layers = layers == counts().layers_of_datastore.end() ? 0 : layers->second;
  view.created_at = datastore.created_at;
  return view;
}

model::NetworkView Renderer::network(const core::NetworkRecord& record) const {
  const model::Network& network = record.spec->value;
  const auto guests = counts().guests_of_network.find(network.id);
  model::NetworkView view;
  view.id = network.id;
  view.name = network.name;
  view.description = network.description;
  view.kind = network.kind;
  view.subnet = network.subnet;
  view.gateway = network.gateway;
  view.dhcp = network.dhcp;
  view.domain = network.domain;
  view.mtu = network.mtu;
  view.private_answers = network.private_answers;
  for (const auto& forward : network.forwards)
    view.forwards.push_back(forward_view(network, forward));
  view.vms = guests == counts().guests_of_network.end() ? 0 : guests->second;
  if (record.placement) view.host = host_name(record.placement->value.host);
  if (record.status) view.status = record.status->value;
  view.etag = etag_of(parts_.inventory, record.spec->revision);
  view.created_at = network.created_at;
  return view;
}

model::ForwardView Renderer::forward_view(const model::Network& network,
                                          const model::NetworkForward& forward) const {
  model::ForwardView view;
  view.protocol = forward.protocol;
  view.host_address = forward.host_address;
  view.host_port = forward.host_port;
  view.vm_id = forward.guest;
  view.vm = to_text(forward.guest);
  view.guest_port = forward.guest_port;
  const auto found = parts_.inventory.guests().find(forward.guest.value);
  if (found == parts_.inventory.guests().end() || !found->second->spec) return view;
  view.vm = found->second->spec->value.name;
  for (const auto& nic : found->second->spec->value.spec.nics) {
    if (nic.network == network.id) view.address = nic.address;
  }
  return view;
}

model::PoolView Renderer::pool(const core::PoolRecord& record) const {
  const model::ResourcePool& pool = record.spec->value;
  const auto guests = counts().guests_of_pool.find(pool.id);
  model::PoolView view;
  view.id = pool.id;
  view.name = pool.name;
  view.description = pool.description;
  view.host = host_name(pool.host);
  view.limits = pool.limits;
  view.reservation = pool.reservation;
  view.shares = pool.shares;
  if (record.ledger) view.used = record.ledger->value;
  view.vms = guests == counts().guests_of_pool.end() ? 0 : guests->second;
  view.etag = etag_of(parts_.inventory, record.spec->revision);
  view.created_at = pool.created_at;
  return view;
}

model::HostView Renderer::host(const core::HostRecord& record) const {
  const model::Host& host = record.spec->value;
  const auto guests = counts().guests_of_host.find(host.id);
  model::HostView view;
  view.id = host.id;
  view.name = host.name;
  if (record.status) view.status = record.status->value;
  if (record.ledger) view.ledger = record.ledger->value;
  if (guests != counts().guests_of_host.end()) {
    view.guests = guests->second.first;
    view.running = guests->second.second;
  }
  view.is_self = host.id == parts_.self;
  if (view.is_self) view.https = https_view(parts_.https);
  return view;
}

std::vector<std::string> Renderer::steps_of(const model::Task& task) const {
  std::vector<std::string> steps;
  for (const auto& step : task.plan) {
    steps.push_back(core::describe_step(step, parts_.inventory));
  }
  return steps;
}

model::TaskView Renderer::task(const model::Task& task, Detail detail) const {
  model::TaskView view;
  view.id = task.id;
  view.method = task.method;
  view.summary = task.summary;
  view.object = task.object;
  view.host = host_name(task.host);
  view.user = task.user;
  view.parent = task.parent;
  view.state = task.state;
  view.plan = steps_of(task);
  view.progress.step = task.position;
  view.progress.steps = static_cast<std::uint32_t>(task.plan.size());
  if (const auto live = parts_.progress.find(task.id); live && model::is_open(task.state)) {
    view.progress = *live;
    // That it has begun is not worth a commit of its own.
    if (view.state == model::TaskState::waiting) view.state = model::TaskState::running;
  }
  // Of the store, not of the board: every host can tell, also while the one that works is away.
  const auto parts = core::count_parts(parts_.inventory, task);
  view.progress.parts = parts.all;
  view.progress.parts_ended = parts.ended;
  if (parts.all > 0) view.progress.text = fmt::format("{} of {}", parts.ended, parts.all);
  if (detail == Detail::full) view.parts = core::parts_of(parts_.inventory, task);
  view.cancel_requested = task.cancel_requested;
  view.error = task.error;
  view.created_at = task.created_at;
  view.ended_at = task.ended_at;
  return view;
}

model::PlanView Renderer::plan(const core::Accepted& accepted) const {
  model::PlanView view;
  view.summary = accepted.task.summary;
  view.steps = steps_of(accepted.task);
  for (const auto& part : accepted.parts) {
    view.parts.push_back({part.object, part.summary, steps_of(part), part.error});
  }
  return view;
}

std::string etag_of(const core::Inventory& inventory, ports::Revision revision) {
  return fmt::format("{}.{}", inventory.store_id(), revision.number);
}

std::optional<ports::Revision> parse_etag(const core::Inventory& inventory, std::string_view text) {
  if (text == "*") return std::nullopt;
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  const auto dot = text.rfind('.');
  ports::Revision revision;
  const char* end = text.data() + text.size();
  if (dot == text.npos || std::from_chars(text.data() + dot + 1, end, revision.number).ptr != end) {
    throw Error(Reason::bad_format, fmt::format("If-Match \"{}\" is not an ETag of ours", text))
        .remedy("send the ETag header or the etag field of a read, unchanged");
  }
  if (text.substr(0, dot) != inventory.store_id()) {
    throw Error(Reason::revision_mismatch, "the ETag is of another state store")
        .remedy("read the object again");
  }
  return revision;
}

}  // namespace ruche::api
