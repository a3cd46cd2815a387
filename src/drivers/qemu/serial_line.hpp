// A serial line of a guest and those who watch it; each of its ports has one. Without watchers QEMU
// keeps the last 64 KiB in its own ring and nothing of ours runs. The first watcher starts a pump
// (apps/pump), all share it, the last one that leaves ends it.
//
// No byte is shown twice or lost at the seam: what the ring held is read before the pump is
// connected and again after, and what the pump delivered meanwhile is recognised in the second
// reading. Reading QEMU's ring empties it, so each reading is kept in a file beside the record: the
// file and the ring together are always the last 64 KiB, also after kill -9 of the daemon.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "drivers/qemu/guest_directory.hpp"
#include "drivers/qemu/qmp_session.hpp"
#include "drivers/qemu/serial_port.hpp"
#include "drivers/qemu/services.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// One watcher's share of the stream, bounded: too slow a reader loses the oldest.
class Watcher {
 public:
  void push(std::string_view data, std::size_t dropped);
  void end();
  Async<std::optional<ports::ConsoleOutput>> read();

 private:
  std::deque<ports::ConsoleOutput> outputs_;
  std::size_t bytes_ = 0;
  std::size_t dropped_ = 0;  // lost after everything in outputs_
  bool ended_ = false;
  Signal changed_;
};

class SerialLine : public std::enable_shared_from_this<SerialLine> {
 public:
  struct Options {
    model::GuestId guest;
    std::uint32_t uid = 0;
    std::string pump_path;
    GuestDirectory directory;
    SerialPort port;
  };
  SerialLine(Services services, Options options, std::shared_ptr<QmpSession> qmp);

  // Throws hypervisor_failed when the guest is gone or QEMU does not answer.
  Async<std::shared_ptr<Watcher>> attach();
  void detach(const std::shared_ptr<Watcher>& watcher);
  Async<void> write(std::string data);
  // The guest is gone: all watchers end.
  void end();

 private:
  enum class State { idle, starting, streaming, stopping, ended };
  // What came over the pump before the stream was in step with the ring.
  struct Received {
    std::string data;
    std::size_t dropped = 0;
    bool synced = false;
    bool ended = false;
  };

  Async<void> start();
  Async<void> connect_pump();
  Async<void> await_connection(bool wanted);
  Async<bool> is_connected();
  Async<void> catch_up();
  Async<Received> receive();
  Async<std::string> read_ring();
  Async<void> keep_history(std::string more);
  Async<void> stream();
  Async<void> stop_pump();
  void fan_out(std::string_view data, std::size_t dropped);
  void change(State state);

  Services services_;
  Options options_;
  std::shared_ptr<QmpSession> qmp_;
  State state_ = State::idle;
  bool gone_ = false;  // the guest has ended
  Signal changed_;
  std::string history_;  // the last 64 KiB, while streaming
  std::vector<std::shared_ptr<Watcher>> watchers_;
  Descriptor socket_;  // to the pump
  std::unique_ptr<ports::Process> pump_;
};

}  // namespace ruche::drivers::qemu
