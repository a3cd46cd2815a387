#include "drivers/qemu/take.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "drivers/qemu/cut.hpp"
#include "drivers/qemu/transfer.hpp"

namespace ruche::drivers::qemu {

namespace {

using Core = std::shared_ptr<MachineCore>;
using ports::MachineState;

constexpr Duration kPoll = std::chrono::milliseconds(2);
constexpr Bytes kBackgroundRate = mib(200);

// Of an earlier attempt the kernel would take the blocks back while the CPUs stand still.
Descriptor open_empty(const std::string& path) {
  auto file = open_memory_file(path, O_WRONLY);
  if (::ftruncate(file.get(), 0) != 0) fail_file(path);
  return file;
}

void copy_file(const ports::FileCopy& copy) {
  const auto from = open_memory_file(copy.from, O_RDONLY);
  const auto to = open_memory_file(copy.to, O_WRONLY);
  std::array<char, 64 * 1024> block;
  off_t at = 0;
  while (true) {
    const auto length = ::pread(from.get(), block.data(), block.size(), at);
    if (length < 0) fail_file(copy.from);
    if (length == 0) break;
    for (ssize_t done = 0; done < length;) {
      const auto written = ::pwrite(to.get(), block.data() + done,
                                    static_cast<std::size_t>(length - done), at + done);
      if (written < 0) fail_file(copy.to);
      done += written;
    }
    at += length;
  }
  if (::fsync(to.get()) != 0) fail_file(copy.to);
}

class Taking {
 public:
  Taking(Core core, ports::SnapshotOrder order, ports::ProgressSink progress)
      : core_(std::move(core)),
        order_(std::move(order)),
        progress_(std::move(progress)),
        cut_(core_, order_.disks) {}

  Async<ports::TakenSnapshot> run();

 private:
  bool needs_stop() const { return with_memory() || !order_.copies.empty(); }
  bool with_memory() const { return !order_.memory_path.empty(); }

  Async<void> work();
  Async<void> begin_memory();
  Async<void> stop();
  Async<void> go_on();
  Async<void> copy_files();
  Async<void> save_memory();
  Async<void> let_pages_flow();
  Async<void> end_memory();
  Async<void> undo();

  Core core_;
  ports::SnapshotOrder order_;
  ports::ProgressSink progress_;
  Cut cut_;
  bool stays_ = false;  // the CPUs stood still before
  bool stopped_ = false;
  Instant stopped_at_{};
  Layout layout_ = Layout::beside_the_guest;
  Descriptor file_;
  std::int64_t set_ = 0;  // of descriptors
  ports::TakenSnapshot taken_;
};

Async<ports::TakenSnapshot> Taking::run() {
  co_await cancel_migration(core_);
  co_await cut_.look();
  const auto now = co_await core_->query_state();
  // One that an earlier attempt stopped goes on.
  const bool stopped_before = now.state == MachineState::paused && cut_.begun_before();
  stays_ = order_.was_paused || (now.state != MachineState::running && !stopped_before);
  if (needs_stop() && cut_.any_made_before() && now.state == MachineState::running) {
    throw Error(
        Reason::hypervisor_failed,
        "the disks were cut by an earlier attempt, and the guest has gone on since: what it "
        "was in that instant is gone")
        .remedy("take another snapshot");
  }
  stopped_ = stopped_before;
  stopped_at_ = core_->services().clock.now();
  const auto undone = [this](this auto) -> Async<void> { co_await undo(); };
  co_await with_undo(work(), undone);
  co_return taken_;
}

Async<void> Taking::work() {
  co_await cut_.prepare();
  if (with_memory()) co_await begin_memory();
  if (needs_stop()) co_await stop();
  co_await copy_files();
  co_await cut_.make();
  if (with_memory()) {
    co_await save_memory();
  } else {
    co_await go_on();
  }
}

// Everything that may take its time, before the CPUs stand still. QEMU says at once when it cannot
// track what the guest writes, or not in this memory.
Async<void> Taking::begin_memory() {
  file_ = co_await core_->services().lane.run([&] { return open_empty(order_.memory_path); });
  std::optional<Error> refused;
  try {
    co_await choose_layout(core_, layout_);
  } catch (const Error& error) {
    refused = error;
  }
  if (refused) {
    if (refused->full_message().find("Background-snapshot is not") == std::string::npos) {
      throw std::move(*refused);
    }
    core_->services().log.info(
        "qemu", "the guest stands still while its memory is saved",
        {{"guest", to_text(core_->record().guest)}, {"why", refused->full_message()}});
    layout_ = Layout::mapped;
    co_await choose_layout(core_, layout_);
  }
  const bool beside = layout_ == Layout::beside_the_guest;
  co_await limit_migration(core_, beside ? kBackgroundRate : Bytes{});
  set_ = co_await lend_memory_file(core_, file_);
}

// Also one that stands still already: QEMU writes out what its disks still hold back.
Async<void> Taking::stop() {
  if (!stopped_) stopped_at_ = core_->services().clock.now();
  stopped_ = true;
  co_await stand_still(core_);
}

Async<void> Taking::go_on() {
  if (!stopped_ || stays_) co_return;
  co_await core_->power(ports::PowerAction::resume);
  stopped_ = false;
  taken_.pause = core_->services().clock.now() - stopped_at_;
}

Async<void> Taking::copy_files() {
  for (const auto& copy : order_.copies) {
    co_await core_->services().lane.run([&] { copy_file(copy); });
  }
}

// From the first page on, every page is written as it was when the save began: only then may the
// CPUs go on.
Async<void> Taking::let_pages_flow() {
  while (true) {
    const auto now = co_await query_migration(core_);
    if (now.over()) require_saved(now);
    if (now.over() || now.pages > 0) co_return;
    co_await sleep_for(core_->services().clock, kPoll);
  }
}

Async<void> Taking::save_memory() {
  json::Object where{{"uri", migration_address(set_)}};
  co_await core_->qmp().execute("migrate", std::move(where));
  if (layout_ == Layout::beside_the_guest) {
    co_await let_pages_flow();
    co_await go_on();
  }
  const auto end = co_await wait_for_migration(core_, progress_);
  require_saved(end);
  if (layout_ == Layout::mapped) {
    // It has given its files away at the end of the save, as if another host were to open them.
    json::Object active{{"active", true}};
    if (stays_) co_await core_->qmp().execute("blockdev-set-active", std::move(active));
    co_await go_on();
  }
  co_await end_memory();
  taken_.memory_size =
      co_await core_->services().lane.run([&] { return flush_file(file_, order_.memory_path); });
}

Async<void> Taking::end_memory() {
  co_await take_back_memory_file(core_);
  co_await choose_layout(core_, Layout::stream);
}

// The guest first. All of it is tried, and the first failure is told.
Async<void> Taking::undo() {
  std::optional<Error> failure;
  const auto attempt = [&](this auto, Async<void> part) -> Async<void> {
    try {
      co_await std::move(part);
    } catch (const Error& error) {
      if (!failure) failure = error;
    }
  };
  if (with_memory()) co_await attempt(cancel_migration(core_));
  co_await attempt(go_on());
  co_await attempt(cut_.give_up());
  if (with_memory()) co_await attempt(end_memory());
  if (failure) throw std::move(*failure);
}

}  // namespace

Async<ports::TakenSnapshot> take_snapshot(Core core, ports::SnapshotOrder order,
                                          ports::ProgressSink progress) {
  Taking taking(std::move(core), std::move(order), std::move(progress));
  co_return co_await taking.run();
}

}  // namespace ruche::drivers::qemu
