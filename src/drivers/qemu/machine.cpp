#include "drivers/qemu/machine.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "drivers/qemu/command_line.hpp"
#include "drivers/qemu/devices.hpp"
#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/screen.hpp"
#include "drivers/qemu/shares.hpp"
#include "drivers/qemu/snapshots.hpp"
#include "model/serial_ports.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kMostEvents = 256;
constexpr std::size_t kLongestLog = 1 << 20;
constexpr Duration kQuitLimit = std::chrono::milliseconds(500);
constexpr Duration kKillLimit = std::chrono::seconds(10);
// The processes beside QEMU end when it does, some of them before its own end is seen.
constexpr Duration kEndTogether = std::chrono::seconds(2);

using ports::MachineEventKind;
using ports::MachineState;
using ports::PowerAction;

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || (byte >= ' ' && byte != 127)) out += byte < 128 ? c : '?';
  }
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace

MachineState machine_state(std::string_view run_state) {
  // One that waits for its saved memory has run nothing yet.
  if (run_state == "prelaunch" || run_state == "inmigrate") return MachineState::prelaunch;
  if (run_state == "running") return MachineState::running;
  if (run_state == "shutdown") return MachineState::shut_down;
  for (const auto* stopped :
       {"paused", "io-error", "guest-panicked", "watchdog", "internal-error", "suspended", "debug",
        "postmigrate", "finish-migrate", "restore-vm", "save-vm", "colo"}) {
    if (run_state == stopped) return MachineState::paused;
  }
  throw Error(Reason::hypervisor_failed, fmt::format("QEMU says its state is '{}'", run_state));
}

// Disks are told to stop the guest for a full datastore only (werror=enospc, the default); every
// other failure is the guest's to see.
std::optional<model::PauseCause> pause_cause(std::string_view run_state) {
  if (machine_state(run_state) != MachineState::paused) return std::nullopt;
  if (run_state == "paused" || run_state == "postmigrate") return model::PauseCause::asked;
  if (run_state == "io-error") return model::PauseCause::no_space;
  if (run_state == "guest-panicked") return model::PauseCause::panic;
  if (run_state == "watchdog") return model::PauseCause::watchdog;
  return model::PauseCause::other;
}

std::optional<ports::MachineEvent> machine_event(const QmpEvent& event) {
  const auto text = [&](std::string_view name) {
    const auto* found = event.data.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                  : std::string();
  };
  if (event.name == "RESUME") return ports::MachineEvent{MachineEventKind::resumed, {}};
  if (event.name == "STOP") return ports::MachineEvent{MachineEventKind::paused, {}};
  if (event.name == "RESET") return ports::MachineEvent{MachineEventKind::reset, {}};
  if (event.name == "SHUTDOWN") {
    return ports::MachineEvent{MachineEventKind::shut_down, text("reason")};
  }
  if (event.name == "GUEST_PANICKED") {
    return ports::MachineEvent{MachineEventKind::panicked, text("action")};
  }
  if (event.name == "WATCHDOG") {
    return ports::MachineEvent{MachineEventKind::watchdog, text("action")};
  }
  if (event.name == "BLOCK_IO_ERROR") {
    return ports::MachineEvent{MachineEventKind::io_error,
                               fmt::format("{}: {}", text("device"), text("reason"))};
  }
  return std::nullopt;
}

std::optional<bool> agent_event(const QmpEvent& event) {
  if (event.name != "VSERPORT_CHANGE") return std::nullopt;
  const auto* id = event.data.if_contains("id");
  const auto* open = event.data.if_contains("open");
  if (id == nullptr || open == nullptr || !id->is_string() || !open->is_bool()) return std::nullopt;
  if (id->get_string() != kAgentDevice) return std::nullopt;
  return open->get_bool();
}

std::string describe_end(const ports::ProcessExit& exit, std::string_view error_output) {
  std::string text;
  if (exit.signalled()) {
    text = fmt::format("QEMU was ended by signal {} ({})", -exit.status,
                       ::sigabbrev_np(-exit.status) ? ::sigabbrev_np(-exit.status) : "?");
  } else {
    text = fmt::format("QEMU ended with status {}", exit.status);
  }
  const auto words = printable(error_output);
  if (!words.empty()) text += ": " + words;
  if (text.size() > kLastWordsLimit) text = "…" + text.substr(text.size() - kLastWordsLimit + 3);
  return text;
}

std::string describe_unseen_end(std::string_view error_output) { return printable(error_output); }

// --- MachineCore -----------------------------------------------------------------------------

MachineCore::MachineCore(Services services, Parts parts)
    : services_(services),
      parts_(std::move(parts)),
      qmp_(std::make_shared<QmpSession>(std::move(parts_.monitor), services.clock,
                                        parts_.command_limit)) {
  if (parts_.record.agent) {
    agent_ = std::make_unique<QemuAgent>(
        [place = parts_.directory](this auto) -> Async<std::unique_ptr<net::Stream>> {
          const auto address = place.address(kAgentSocket);
          co_return co_await net::connect_unix(address.path);
        },
        services.clock);
  }
  if (!parts_.record.serial) return;
  const auto& record = parts_.record;
  for (std::uint32_t port = 0; port < record.serial_ports; ++port) {
    SerialLine::Options options{
        record.guest, record.uid, parts_.pump_path, parts_.directory, {port}};
    serial_lines_.push_back(std::make_shared<SerialLine>(services, std::move(options), qmp_));
  }
}

void MachineCore::begin() {
  services_.scope.spawn("guest " + to_text(parts_.record.guest), live(shared_from_this()));
}

void MachineCore::release() {
  if (release_asked_) return;
  release_asked_ = true;
  qmp_->close();
  if (agent_) agent_->close();
  changed_.notify();
}

Async<void> MachineCore::released() {
  const auto self = shared_from_this();
  // Once the daemon ends nothing new begins, so there may be nothing to wait for.
  while (!over_ && !services_.scope.cancelled()) co_await changed_.wait();
}

Async<void> MachineCore::live(std::shared_ptr<MachineCore> self) {
  Scope inner(self->services_.scope.executor(), "guest");
  inner.spawn("monitor",
              self->qmp_->run([core = self.get()](const QmpEvent& event) { core->hear(event); }));
  inner.spawn("process", self->watch_process());
  for (auto& companion : companions_of(self->parts_.record, self->parts_.directory)) {
    inner.spawn("companion", self->watch_companion(std::move(companion)));
  }
  std::exception_ptr stopped;
  try {
    while (!self->release_asked_) co_await self->changed_.wait();
  } catch (const std::exception&) {
    stopped = std::current_exception();
  }
  self->qmp_->close();
  inner.cancel(CancelReason::shutdown);
  try {
    co_await uninterrupted(inner.join());
  } catch (const Error& error) {
    self->services_.log.warning("qemu", error.full_message(),
                                {{"guest", to_text(self->parts_.record.guest)}});
  }
  self->over_ = true;
  self->changed_.notify();
  if (stopped) std::rethrow_exception(stopped);
}

Async<void> MachineCore::watch_process() {
  const auto exit = co_await parts_.process->wait();
  last_words_ = describe_end(exit, parts_.directory.tail(kErrorFile, kLastWordsLimit));
  end_ = exit;
  qmp_->close();
  for (const auto& line : serial_lines_) line->end();
  if (agent_) agent_->close();
  say({MachineEventKind::ended, last_words_});
}

Async<void> MachineCore::watch_companion(Companion companion) {
  co_await wait_for_companion(services_, companion);
  co_await sleep_for(services_.clock, kEndTogether);
  if (end_) co_return;
  if (!losses_.empty()) losses_ += "; ";
  losses_ += companion.loss;
  say({MachineEventKind::io_error, companion.loss});
}

// A power-off says SHUTDOWN, STOP and SHUTDOWN again; core hears of it once.
void MachineCore::hear(const QmpEvent& event) {
  const auto agent = agent_event(event);
  if (agent && agent_ && agent_->note_connected(*agent)) say({MachineEventKind::agent, {}});
  auto heard = machine_event(event);
  if (!heard) return;
  services_.log.debug(
      "qemu", event.name,
      {{"guest", to_text(parts_.record.guest)}, {"at_us", std::to_string(event.at_us)}});
  if (heard->kind == MachineEventKind::resumed || heard->kind == MachineEventKind::reset) {
    shut_down_said_ = false;
  } else if (heard->kind == MachineEventKind::shut_down ||
             heard->kind == MachineEventKind::paused) {
    if (shut_down_said_) return;
    shut_down_said_ = heard->kind == MachineEventKind::shut_down;
  }
  say(std::move(*heard));
}

// Bounded: a monitor that floods loses its oldest events, never the end.
void MachineCore::say(ports::MachineEvent event) {
  if (end_ && event.kind != MachineEventKind::ended) return;
  events_.push_back(std::move(event));
  if (events_.size() > kMostEvents) events_.pop_front();
  changed_.notify();
}

Async<ports::MachineEvent> MachineCore::next_event() {
  const auto self = shared_from_this();
  while (events_.empty()) {
    if (end_) throw Error(Reason::hypervisor_failed, "the guest's process has ended");
    co_await changed_.wait();
  }
  auto event = std::move(events_.front());
  events_.pop_front();
  co_return event;
}

Async<void> MachineCore::wait_for_end() {
  const auto self = shared_from_this();
  while (!end_) co_await changed_.wait();
}

std::string MachineCore::cgroup() const {
  return services_.processes.cgroup_path(to_text(parts_.record.guest));
}

// A monitor that fails because its process just ended is no failure: the end is the answer.
Async<MachineCore::RunState> MachineCore::query_state() {
  const auto self = shared_from_this();
  parts_.directory.trim(kErrorFile, kLongestLog);
  trim_share_logs(parts_.directory, kLongestLog);
  std::optional<Error> failure;
  json::Value answer;
  try {
    answer = co_await qmp_->execute("query-status");
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) {
    const auto said = text_member(as_object(answer), "status");
    co_return RunState{machine_state(said), pause_cause(said)};
  }
  if (parts_.process->alive()) throw std::move(*failure);
  co_await with_deadline(services_.clock, kKillLimit, "the end of QEMU", wait_for_end());
  co_return RunState{};
}

Async<void> MachineCore::power(PowerAction action) {
  const auto self = shared_from_this();
  switch (action) {
    case PowerAction::resume:
      co_await qmp_->execute("cont");
      co_return;
    case PowerAction::pause:
      co_await qmp_->execute("stop");
      co_return;
    case PowerAction::reset:
      co_await qmp_->execute("system_reset");
      co_return;
    case PowerAction::shutdown:
      co_await qmp_->execute("system_powerdown");
      co_return;
    case PowerAction::kill:
      co_await kill();
      co_return;
  }
}

Async<void> MachineCore::ask_to_quit() {
  co_await qmp_->execute("quit", {}, kQuitLimit);
  co_await wait_for_end();
}

// QEMU is asked first, because its own end leaves images in order; it gets half a second.
Async<void> MachineCore::kill() {
  if (end_) co_return;
  try {
    co_await with_deadline(services_.clock, kQuitLimit, "quit", ask_to_quit());
  } catch (const Error& error) {
    services_.log.debug("qemu", error.full_message(), {{"guest", to_text(parts_.record.guest)}});
  }
  if (end_) co_return;
  parts_.process->signal(SIGKILL);
  bool stuck = false;
  try {
    co_await with_deadline(services_.clock, kKillLimit, "the end of QEMU", wait_for_end());
  } catch (const Error&) {
    stuck = true;
  }
  if (stuck) {
    throw Error(
        Reason::hypervisor_failed,
        fmt::format("QEMU (process {}) does not end; the kernel holds it", parts_.record.pid))
        .remedy("look at the storage below it; a process waiting for a disk cannot be killed");
  }
}

Async<void> MachineCore::verify() {
  const auto self = shared_from_this();
  const auto uuid = co_await qmp_->execute("query-uuid");
  if (text_member(as_object(uuid), "UUID") != to_text(parts_.record.guest)) {
    throw Error(Reason::hypervisor_failed, "the process says it is another guest");
  }
  json::Object flat{{"flat", true}};
  const auto nodes = co_await qmp_->execute("query-named-block-nodes", std::move(flat));
  if (!nodes.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's block nodes are no list");
  std::set<std::string> present;
  for (const auto& node : nodes.get_array()) {
    present.insert(text_member(as_object(node), "node-name"));
  }
  for (const auto& disk : parts_.record.disks) {
    if (disk.chain.empty()) {
      throw Error(Reason::hypervisor_failed, "its record names no file of disk " + disk.name);
    }
    for (std::size_t layer = 0; layer < disk.chain.size(); ++layer) {
      const auto name = disk.node(layer);
      if (present.contains(name) && present.contains(file_node(name))) continue;
      throw Error(Reason::hypervisor_failed,
                  fmt::format("QEMU no longer has the block node {} of its record", name));
    }
  }
}

Async<void> MachineCore::change_record(std::function<void(RuntimeRecord&)> change) {
  const auto self = shared_from_this();
  auto changed = parts_.record;
  change(changed);
  co_await services_.lane.run([&] { write_record(parts_.directory, changed); });
  parts_.record = std::move(changed);
}

Async<void> MachineCore::look_for_agent() {
  const auto self = shared_from_this();
  if (!agent_) co_return;
  const auto devices = co_await qmp_->execute("query-chardev");
  if (!devices.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's channels are no list");
  for (const auto& device : devices.get_array()) {
    const auto& channel = as_object(device);
    if (text_member(channel, "label") != kAgentDevice) continue;
    const auto& open = member(channel, "frontend-open");
    agent_->note_connected(open.is_bool() && open.get_bool());
  }
}

// --- QemuMachine -----------------------------------------------------------------------------

namespace {

class Session : public ports::ConsoleSession {
 public:
  Session(std::shared_ptr<SerialLine> line, std::shared_ptr<Watcher> watcher)
      : line_(std::move(line)), watcher_(std::move(watcher)) {}
  ~Session() override { line_->detach(watcher_); }
  Async<std::optional<ports::ConsoleOutput>> read() override {
    const auto watcher = watcher_;
    co_return co_await watcher->read();
  }
  Async<void> write(std::string data) override { co_await line_->write(std::move(data)); }

 private:
  std::shared_ptr<SerialLine> line_;
  std::shared_ptr<Watcher> watcher_;
};

}  // namespace

QemuMachine::QemuMachine(std::shared_ptr<MachineCore> core) : core_(std::move(core)) {
  devices_ = std::make_unique<QemuDevices>(core_);
  snapshots_ = std::make_unique<QemuSnapshots>(core_);
  if (core_->record().screen) screens_ = std::make_unique<QemuScreens>(core_);
}

Async<ports::MachineStatus> QemuMachine::status() {
  const auto core = core_;
  const auto& record = core->record();
  ports::MachineStatus status;
  status.argv = record.argv;
  status.accelerator = record.accelerator;
  for (const auto& disk : record.disks) {
    status.disks.push_back({disk.name, disk.chain.empty() ? "" : disk.chain.front().path});
  }
  if (!core->ended()) {
    const auto now = co_await core->query_state();
    status.state = now.state;
    status.pause_cause = now.pause_cause;
  }
  if (core->ended()) {
    status.state = ports::MachineState::gone;
    status.last_words = core->last_words();
    co_return status;
  }
  status.last_words = core->losses();
  status.pid = record.pid;
  status.addresses = record.addresses;
  status.cgroup = core->cgroup();
  co_return status;
}

Async<void> QemuMachine::power(PowerAction action) {
  const auto core = core_;
  co_await core->power(action);
}

Async<ports::MachineEvent> QemuMachine::next_event() {
  const auto core = core_;
  co_return co_await core->next_event();
}

ports::Consoles* QemuMachine::consoles() { return core_->serial_lines().empty() ? nullptr : this; }

Async<std::unique_ptr<ports::ConsoleSession>> QemuMachine::open(std::uint32_t port) {
  const auto core = core_;
  const auto& lines = core->serial_lines();
  if (port >= lines.size()) {
    throw model::no_serial_port(port, static_cast<std::uint32_t>(lines.size()));
  }
  const auto line = lines[port];
  auto watcher = co_await line->attach();
  co_return std::make_unique<Session>(line, std::move(watcher));
}

}  // namespace ruche::drivers::qemu
