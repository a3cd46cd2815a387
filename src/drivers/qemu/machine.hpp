// A launched QEMU: its process, its monitor, its serial lines. The handle that core holds
// (QemuMachine) may be dropped at any time; what runs beside it (the monitor's reader, the wait for
// the process) belongs to the daemon's scope and ends soon after the handle.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "drivers/qemu/agent.hpp"
#include "drivers/qemu/companions.hpp"
#include "drivers/qemu/guest_directory.hpp"
#include "drivers/qemu/qmp_session.hpp"
#include "drivers/qemu/runtime_record.hpp"
#include "drivers/qemu/serial_line.hpp"
#include "drivers/qemu/services.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// QEMU's run states (query-status) as ours; an unknown one is hypervisor_failed.
ports::MachineState machine_state(std::string_view run_state);
// Why QEMU stopped the CPUs; nullopt for a run state that stops none.
std::optional<model::PauseCause> pause_cause(std::string_view run_state);
// The event that core hears of, if any.
std::optional<ports::MachineEvent> machine_event(const QmpEvent& event);
// Whether the event says that the agent came (true) or went.
std::optional<bool> agent_event(const QmpEvent& event);
// Why a process ended, for people: its exit, then the end of its standard error in printable form.
std::string describe_end(const ports::ProcessExit& exit, std::string_view error_output);

// The same when nobody saw the end: what its standard error says, if anything.
inline constexpr std::size_t kLastWordsLimit = 4096;
std::string describe_unseen_end(std::string_view error_output);

class MachineCore : public std::enable_shared_from_this<MachineCore> {
 public:
  struct Parts {
    GuestDirectory directory;
    RuntimeRecord record;
    std::unique_ptr<ports::Process> process;
    std::unique_ptr<net::Stream> monitor;
    std::string pump_path;
    Duration command_limit;
    Duration device_patience;
  };
  MachineCore(Services services, Parts parts);

  // Starts what runs beside the handle. Call once, after make_shared.
  void begin();
  // Ends it soon; the guest goes on.
  void release();
  // Released, and nothing of it runs any more: its monitor connection is free.
  Async<void> released();

  QmpSession& qmp() { return *qmp_; }
  const std::shared_ptr<QmpSession>& qmp_session() { return qmp_; }
  // A name that no other has in this process's monitor.
  std::string next_name(std::string_view kind) {
    return std::string(kind) + std::to_string(++last_name_);
  }
  // By port.
  const std::vector<std::shared_ptr<SerialLine>>& serial_lines() const { return serial_lines_; }
  QemuAgent* agent() { return agent_.get(); }
  const RuntimeRecord& record() const { return parts_.record; }
  // Durable when it returns. Whoever changes the machine's devices does it alone.
  Async<void> change_record(std::function<void(RuntimeRecord&)> change);
  const GuestDirectory& directory() const { return parts_.directory; }
  const Services& services() const { return services_; }
  Duration device_patience() const { return parts_.device_patience; }
  std::string cgroup() const;
  bool ended() const { return end_.has_value(); }
  const std::string& last_words() const { return last_words_; }
  // What a running guest has lost of its hardware, in words.
  const std::string& losses() const { return losses_; }

  struct RunState {
    ports::MachineState state = ports::MachineState::gone;
    std::optional<model::PauseCause> pause_cause;
  };
  Async<RunState> query_state();
  Async<void> power(ports::PowerAction action);
  Async<ports::MachineEvent> next_event();
  Async<void> wait_for_end();
  // Throws hypervisor_failed unless QEMU says it is this guest with these block nodes.
  Async<void> verify();
  // Whether the guest holds its end of the agent's channel, of a machine taken over.
  Async<void> look_for_agent();

 private:
  static Async<void> live(std::shared_ptr<MachineCore> self);
  Async<void> watch_process();
  Async<void> watch_companion(Companion companion);
  Async<void> kill();
  Async<void> ask_to_quit();
  void hear(const QmpEvent& event);
  void say(ports::MachineEvent event);

  Services services_;
  Parts parts_;
  std::shared_ptr<QmpSession> qmp_;
  std::vector<std::shared_ptr<SerialLine>> serial_lines_;
  std::unique_ptr<QemuAgent> agent_;
  bool release_asked_ = false;
  bool over_ = false;
  std::optional<ports::ProcessExit> end_;
  std::string last_words_;
  std::string losses_;
  bool shut_down_said_ = false;
  std::uint64_t last_name_ = 0;
  std::deque<ports::MachineEvent> events_;
  Signal changed_;
};

class QemuMachine : public ports::Machine, public ports::Consoles {
 public:
  explicit QemuMachine(std::shared_ptr<MachineCore> core);
  ~QemuMachine() override { core_->release(); }

  Async<ports::MachineStatus> status() override;
  Async<void> power(ports::PowerAction action) override;
  Async<ports::MachineEvent> next_event() override;
  ports::Consoles* consoles() override;
  ports::GuestAgents* agents() override { return core_->agent(); }
  ports::Screens* screens() override { return screens_.get(); }
  ports::Devices* devices() override { return devices_.get(); }
  ports::Snapshots* snapshots() override { return snapshots_.get(); }
  Async<std::unique_ptr<ports::ConsoleSession>> open(std::uint32_t port) override;

 private:
  std::shared_ptr<MachineCore> core_;
  std::unique_ptr<ports::Devices> devices_;
  std::unique_ptr<ports::Snapshots> snapshots_;
  std::unique_ptr<ports::Screens> screens_;  // null: it has no display
};

}  // namespace ruche::drivers::qemu
