#include "contract/qemu_host.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/random.hpp"
#include "contract/boot_sector.hpp"
#include "contract/hypervisor_suite.hpp"
#include "drivers/qemu/runtime_record.hpp"
#include "drivers/qemu/serial_port.hpp"

namespace ruche::contract {

namespace {
constexpr std::uint32_t kFirstGuestUser = 61'000;
}

QemuHost::QemuHost() : random_(system_random()) {
  drivers::linux::ProcessOptions options;
  options.jail_path = std::string(RUCHE_BINARY_DIR) + "/bin/jail";
  options.instance = fmt::format("test-{}", ::getpid());
  processes_ = drivers::linux::linux_processes(std::move(options));
  lane_ = std::make_unique<Lane>("files");
}

QemuHost::~QemuHost() = default;

void QemuHost::run(std::function<Async<void>(QemuHost&)> test) {
  loop_.run(with_deadline(loop_.clock(), std::chrono::minutes(2), "the test", session(test)));
  for (const auto& line : log_.take_errors()) ADD_FAILURE() << line.message;
}

Async<void> QemuHost::session(std::function<Async<void>(QemuHost&)> test) {
  co_await start();
  std::exception_ptr failure;
  try {
    co_await test(*this);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  co_await uninterrupted(clear_all());
  if (failure) std::rethrow_exception(failure);
}

Async<void> QemuHost::clear_all() {
  if (!engine_) co_await start();
  const auto found = co_await engine_->survey();
  for (const auto& machine : found) co_await engine_->clear(machine.guest);
  co_await stop();
}

Async<void> QemuHost::start() {
  scope_ = std::make_unique<Scope>(loop_.executor(), "daemon");
  drivers::qemu::QemuOptions options;
  options.run_directory = run_directory();
  options.pump_path = std::string(RUCHE_BINARY_DIR) + "/bin/pump";
  options.command_limit = command_limit;
  options.adopt_limit = adopt_limit;
  options.device_patience = device_patience;
  const drivers::qemu::Services services{*processes_, loop_.clock(), log_, *scope_, *lane_};
  engine_ = co_await drivers::qemu::open_qemu(std::move(options), services);
}

Async<void> QemuHost::stop() {
  scope_->cancel(CancelReason::shutdown);
  co_await scope_->join();
  engine_.reset();
  scope_.reset();
}

Async<void> QemuHost::restart() {
  co_await stop();
  co_await start();
}

ports::MachineSpec QemuHost::machine() {
  ++count_;
  ports::MachineSpec spec;
  spec.guest = {make_uuid7(loop_.clock().wall(), *random_)};
  spec.name = fmt::format("guest{}", count_);
  spec.store_id = "store";
  spec.epoch = 7;
  if (::getuid() == 0) spec.uid = kFirstGuestUser + static_cast<std::uint32_t>(count_);
  spec.spec.machine_type = engine().capabilities().machine_type;
  spec.spec.memory = mib(32);
  spec.spec.disks.push_back({.name = "disk0", .size = mib(1), .slot = 3});
  spec.spec.nics.push_back({.name = "nic0", .mac = "52:54:00:00:00:01", .slot = 4});
  const auto path = directory_.file(spec.name + ".raw");
  write_boot_disk(path);
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  spec.disks.push_back({"disk0", {{path, model::DiskFormat::raw}}});
  return spec;
}

ports::PlugDisk QemuHost::new_disk(const std::string& name, std::uint32_t slot) {
  ++count_;
  const auto path = directory_.file(fmt::format("{}-{}.raw", name, count_));
  std::ofstream(path) << std::string(1 << 20, '\0');
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  ports::PlugDisk plug;
  plug.disk.name = name;
  plug.disk.size = mib(1);
  plug.disk.slot = slot;
  plug.files = {name, {{path, model::DiskFormat::raw}}};
  return plug;
}

Async<void> QemuHost::settle(ports::Machine& machine) {
  auto session = co_await machine.consoles()->open(0);
  std::string seen;
  co_await with_deadline(clock(), kPatience, "the guest's start",
                         read_until(*session, "tick", seen));
}

std::string QemuHost::guest_file(model::GuestId guest, const std::string& name) const {
  return drivers::qemu::GuestDirectory(run_directory(), guest).file(name);
}

std::int32_t QemuHost::pid(model::GuestId guest) {
  const drivers::qemu::GuestDirectory place(run_directory(), guest);
  const auto record = drivers::qemu::read_record(place, guest);
  if (!record) throw Error(Reason::no_such_object, "the guest has no record");
  return record->pid;
}

void QemuHost::crash(model::GuestId guest) { ::kill(pid(guest), SIGKILL); }

void QemuHost::break_launch(ports::MachineSpec& spec) {
  std::filesystem::resize_file(spec.disks[0].chain[0].path, 0);
  spec.disks[0].chain[0].format = model::DiskFormat::qcow2;
}

int QemuHost::connect_serial(model::GuestId guest) const {
  const drivers::qemu::GuestDirectory place(run_directory(), guest);
  const auto where = place.address(drivers::qemu::SerialPort{}.socket());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(where.path.begin(), where.path.end(), address.sun_path);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw Error(Reason::io_failed, std::strerror(errno));
  }
  return socket;
}

Async<void> QemuHost::power_off(model::GuestId guest) {
  const int socket = connect_serial(guest);
  [[maybe_unused]] const auto sent = ::send(socket, "q", 1, MSG_NOSIGNAL);
  // The guest acts on it within a tick or two; the socket stays until then.
  co_await sleep_for(clock(), std::chrono::milliseconds(500));
  ::close(socket);
}

}  // namespace ruche::contract
