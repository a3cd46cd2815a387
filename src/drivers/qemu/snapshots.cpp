#include "drivers/qemu/snapshots.hpp"

#include <fcntl.h>

#include "drivers/qemu/merge.hpp"
#include "drivers/qemu/take.hpp"
#include "drivers/qemu/transfer.hpp"

namespace ruche::drivers::qemu {

namespace {

using Core = std::shared_ptr<MachineCore>;

constexpr Duration kEndLimit = std::chrono::seconds(10);

Async<void> write_memory(Core core, std::int64_t set, ports::ProgressSink progress) {
  co_await limit_migration(core, Bytes{});
  json::Object where{{"uri", migration_address(set)}};
  co_await core->qmp().execute("migrate", std::move(where));
  const auto end = co_await wait_for_migration(core, std::move(progress));
  require_saved(end);
}

}  // namespace

Async<Bytes> QemuSnapshots::save(std::string path, ports::ProgressSink progress) {
  const auto core = core_;
  co_await cancel_migration(core);
  const auto file =
      co_await core->services().lane.run([&] { return open_memory_file(path, O_WRONLY); });
  co_await stand_still(core);
  co_await choose_layout(core, Layout::mapped);
  const auto set = co_await lend_memory_file(core, file);
  const auto undo = [core](this auto) -> Async<void> { co_await cancel_migration(core); };
  co_await with_undo(write_memory(core, set, std::move(progress)), undo);
  co_await take_back_memory_file(core);
  co_return co_await core->services().lane.run([&] { return flush_file(file, path); });
}

Async<void> QemuSnapshots::cancel() {
  const auto core = core_;
  co_await cancel_migration(core);
}

Async<ports::TakenSnapshot> QemuSnapshots::take(ports::SnapshotOrder order,
                                                ports::ProgressSink progress) {
  const auto core = core_;
  co_return co_await take_snapshot(core, std::move(order), std::move(progress));
}

Async<void> QemuSnapshots::merge(ports::DiskMerge order, ports::ProgressSink progress) {
  const auto core = core_;
  co_await merge_layer(core, std::move(order), std::move(progress));
}

Async<void> load_memory(Core core, std::string path) {
  auto layout = Layout::stream;
  Bytes size;
  const auto file = co_await core->services().lane.run([&] {
    auto opened = open_memory_file(path, O_RDONLY);
    layout = layout_of(opened, path);
    size = size_of_file(opened, path);
    return opened;
  });
  co_await choose_layout(core, layout);
  const auto set = co_await lend_memory_file(core, file);
  std::optional<Error> failure;
  Migration end;
  try {
    json::Object where{{"uri", migration_address(set)}};
    co_await core->qmp().execute("migrate-incoming", std::move(where));
    end = co_await wait_for_migration(core, {}, patience_with(size));
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure && end.status == "completed") co_return co_await take_back_memory_file(core);
  // QEMU ends when it cannot make sense of what it reads.
  bool hangs = false;
  try {
    co_await with_deadline(core->services().clock, kEndLimit, "the end of QEMU",
                           core->wait_for_end());
  } catch (const Error&) {
    hangs = true;
  }
  // Then nothing is known of the memory: it may be good.
  if (hangs && failure) throw std::move(*failure);
  if (hangs) {
    throw Error(Reason::hypervisor_failed, "QEMU took the saved memory no further: " + end.status);
  }
  throw Error(Reason::memory_unusable, "QEMU did not take the saved memory")
      .remedy("give it up, and the guest starts from its disks: ruche vm discard")
      .caused_by(Error(Reason::hypervisor_failed, core->last_words()));
}

}  // namespace ruche::drivers::qemu
