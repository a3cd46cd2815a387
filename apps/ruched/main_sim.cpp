// ruched-sim: the daemon with simulated ports, for tests of scale. It starts no process and writes
// no disk; it is never packaged.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/loop.hpp"
#include "base/random.hpp"
#include "core/documents/documents.hpp"
#include "core/placement/admission.hpp"
#include "ruched/daemon.hpp"
#include "sim/fake_downloads.hpp"
#include "sim/fake_hypervisor.hpp"
#include "sim/fake_networks.hpp"
#include "sim/fake_passwords.hpp"
#include "sim/fake_sealing.hpp"
#include "sim/fake_volumes.hpp"
#include "sim/memory_store.hpp"

namespace ruche::apps {

namespace {

constexpr std::size_t kGuestsPerCommit = 20;

// A guest as if it had been created and started long ago.
void add_guest(ports::Commit& commit, std::uint32_t number, model::HostId host, Random& random) {
  using core::keys::DocumentKind;
  model::Guest guest;
  guest.id = {make_uuid7(Timestamp{1'700'000'000'000 + number}, random)};
  guest.name = fmt::format("guest-{:05}", number);
  guest.display_name = fmt::format("Guest {}", number);
  guest.tags = {number % 2 == 0 ? "even" : "odd", "simulated"};
  guest.uid = 0x70000000 + number;
  guest.spec.memory = mib(256);
  guest.spec.machine_type = "pc-q35-10.0";
  guest.created_at = Timestamp{1'700'000'000'000 + number};
  model::GuestStatus status;
  status.state = model::GuestState::stopped;
  const model::Placement placement{
      .kind = model::ObjectKind::guest, .object = guest.id.value, .host = host};
  const auto put = [&](std::string key, std::string value) {
    commit.writes.push_back(ports::Put{std::move(key), std::move(value), {}});
  };
  put(core::keys::guest_spec(guest.id), core::documents::encode(DocumentKind::guest_spec, guest));
  put(core::keys::guest_status(guest.id),
      core::documents::encode(DocumentKind::guest_status, status));
  put(core::keys::placement(host, guest.id.value),
      core::documents::encode(DocumentKind::placement, placement));
  put(core::keys::name("vm", guest.name),
      core::documents::encode(DocumentKind::name, core::NameRecord{guest.id.value}));
}

Async<void> fill(ports::StateStore& store, std::uint32_t guests, model::HostId host,
                 Random& random) {
  for (std::uint32_t n = 0; n < guests; n += kGuestsPerCommit) {
    ports::Commit commit;
    commit.nonce = fmt::format("fill-{}", n);
    for (std::uint32_t i = n; i < std::min<std::uint32_t>(n + kGuestsPerCommit, guests); ++i) {
      add_guest(commit, i, host, random);
    }
    co_await store.commit(std::move(commit));
  }
}

Async<void> simulate(const DaemonOptions& options, Loop& loop, Log& log) {
  const auto random = seeded_random(1);
  auto state = sim::MemoryStoreState::make(loop.clock());
  const auto store = state->open("simulated");
  sim::FakeStorage storage;
  sim::MachineHooks hooks;
  sim::SimMachines machines(loop.clock(), storage, hooks, "simulated");
  sim::FakeHypervisor hypervisor(machines, loop.clock());
  sim::FakeVolumeDrivers volumes(storage, loop.clock(), "simulated");
  sim::SimNetworks host_networks;
  sim::FakeNetworks networks(host_networks, {});
  sim::FakeImageBuilder builder(storage, loop.clock());
  sim::FakeDownloads downloads(volumes, loop.clock());
  sim::FakeHostInfo host_info(machines);
  host_info.facts.memory = gib(1 << 14);
  host_info.facts.threads = 1 << 14;
  sim::FakeHistory history;
  sim::FakePasswords passwords;
  sim::FakeSealing sealing("simulated");
  const model::HostId host{make_uuid7(loop.clock().wall(), *random)};
  co_await fill(*store, options.simulated_guests, host, *random);
  const core::HostControl::Ports ports{*store,       hypervisor, volumes, networks,       builder,
                                       downloads,    host_info,  history, passwords,      sealing,
                                       loop.clock(), *random,    log,     loop.executor()};
  const core::HostControl::Identity identity{host, "simulated", "/simulated/datastore", "",
                                             "/simulated/build"};
  co_await serve(options, ports, identity, {});
}

}  // namespace
}  // namespace ruche::apps

int main(int argc, char** argv) {
  using namespace ruche;
  int status = 0;
  const auto options = apps::parse_options(argc, argv, true, status);
  if (!options) return status;
  const auto log = stderr_log(options->log_level);
  Loop loop;
  try {
    loop.run(apps::simulate(*options, loop, *log), {.stop_on_signals = true});
  } catch (const Cancelled&) {
    return 0;  // asked to end
  } catch (const Error& error) {
    std::fprintf(stderr, "ruched-sim: %s\n", error.full_message().c_str());
    return exit_code(error.code());
  }
  return 0;
}
