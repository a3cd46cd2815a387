#include "drivers/qemu/snapshots.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "drivers/qemu/stall.hpp"

namespace ruche::drivers::qemu {

namespace {

using Core = std::shared_ptr<MachineCore>;

constexpr Duration kPoll = std::chrono::milliseconds(10);
constexpr Duration kCancelLimit = std::chrono::seconds(30);
constexpr Duration kEndLimit = std::chrono::seconds(10);

[[noreturn]] void fail(const std::string& path) {
  if (errno == ENOSPC || errno == EDQUOT) {
    throw Error(Reason::not_enough_space, path + ": " + std::strerror(errno));
  }
  throw Error(Reason::io_failed, fmt::format("{}: {}", path, std::strerror(errno)));
}

// QEMU looks for a descriptor of exactly the mode it wants.
Descriptor open_memory(const std::string& path, int mode) {
  Descriptor opened(::open(path.c_str(), mode | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!opened.open()) fail(path);
  struct stat info{};
  if (::fstat(opened.get(), &info) != 0) fail(path);
  if (!S_ISREG(info.st_mode)) throw Error(Reason::io_failed, path + " is no plain file");
  return opened;
}

// What the file takes of the disk: most of it may be a hole.
Bytes flush(const Descriptor& file, const std::string& path) {
  if (::fsync(file.get()) != 0) fail(path);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail(path);
  return Bytes{std::int64_t{info.st_blocks} * 512};
}

struct Migration {
  std::string status;
  std::string error;
  Bytes done;
  Bytes total;
};

Bytes bytes_of(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? Bytes{value->get_int64()} : Bytes{};
}

Async<Migration> query_migration(Core core) {
  const auto answer = co_await core->qmp().execute("query-migrate");
  const auto& said = as_object(answer);
  Migration now;
  if (said.if_contains("status") != nullptr) now.status = text_member(said, "status");
  if (said.if_contains("error-desc") != nullptr) now.error = text_member(said, "error-desc");
  if (const auto* ram = said.if_contains("ram"); ram != nullptr && ram->is_object()) {
    now.total = bytes_of(ram->get_object(), "total");
    now.done = now.total - bytes_of(ram->get_object(), "remaining");
  }
  co_return now;
}

bool is_over(const Migration& now) {
  return now.status.empty() || now.status == "none" || now.status == "completed" ||
         now.status == "failed" || now.status == "cancelled";
}

Async<Migration> wait_for_end(Core core, ports::ProgressSink progress,
                              Duration patience = kStallLimit) {
  const auto& clock = core->services().clock;
  StallWatch watch(clock.now(), patience);
  while (true) {
    auto now = co_await query_migration(core);
    if (is_over(now)) co_return now;
    watch.note(clock.now(), now.status, now.done, now.total);
    if (progress) progress(now.done, now.total);
    co_await sleep_for(core->services().clock, kPoll);
  }
}

Async<void> wait_until_cancelled(Core core) { co_await wait_for_end(core, {}); }

Async<void> cancel_migration(Core core) {
  const auto now = co_await query_migration(core);
  if (is_over(now)) co_return;
  co_await core->qmp().execute("migrate_cancel");
  co_await with_deadline(core->services().clock, kCancelLimit, "the end of the save",
                         wait_until_cancelled(core));
}

// A set of descriptors in QEMU for as long as the transfer lasts. Every transfer has one of its
// own, because a descriptor remembers how far it was written.
Async<std::int64_t> give(Core core, const Descriptor& file) {
  json::Object arguments{{"opaque", "memory"}};
  std::vector<int> descriptors{file.get()};
  const auto answer =
      co_await core->qmp().execute_with("add-fd", std::move(arguments), std::move(descriptors));
  const auto& number = member(as_object(answer), "fdset-id");
  if (!number.is_int64()) throw Error(Reason::hypervisor_failed, "QEMU's fdset is no number");
  co_return number.get_int64();
}

Async<void> take_back(Core core, std::int64_t set) {
  json::Object which{{"fdset-id", set}};
  co_await core->qmp().execute("remove-fd", std::move(which));
}

Async<void> choose_layout(Core core) {
  json::Array capabilities;
  capabilities.push_back(json::Object{{"capability", "mapped-ram"}, {"state", true}});
  json::Object wanted{{"capabilities", std::move(capabilities)}};
  co_await core->qmp().execute("migrate-set-capabilities", std::move(wanted));
}

// The CPUs stand still and QEMU has written nothing of this state yet.
Async<void> stand_still(Core core) {
  const auto answer = co_await core->qmp().execute("query-status");
  // QEMU refuses to write a second time what it has written; that an earlier daemon heard of its
  // end is not known, so the guest goes on for a moment.
  if (text_member(as_object(answer), "status") == "postmigrate") {
    co_await core->power(ports::PowerAction::resume);
  }
  co_await core->power(ports::PowerAction::pause);
}

Async<void> write_memory(Core core, std::int64_t set, ports::ProgressSink progress) {
  json::Object unlimited{{"max-bandwidth", 0}};
  co_await core->qmp().execute("migrate-set-parameters", std::move(unlimited));
  json::Object where{{"uri", fmt::format("file:/dev/fdset/{}", set)}};
  co_await core->qmp().execute("migrate", std::move(where));
  const auto end = co_await wait_for_end(core, std::move(progress));
  if (end.status == "completed") co_return;
  const bool full = end.error.find(std::strerror(ENOSPC)) != std::string::npos;
  throw Error(
      full ? Reason::not_enough_space : Reason::hypervisor_failed,
      fmt::format("the memory could not be saved: {}", end.error.empty() ? end.status : end.error));
}

}  // namespace

Async<Bytes> QemuSnapshots::save(std::string path, ports::ProgressSink progress) {
  const auto core = core_;
  co_await cancel_migration(core);
  const auto file = co_await core->services().lane.run([&] { return open_memory(path, O_WRONLY); });
  co_await stand_still(core);
  co_await choose_layout(core);
  const auto set = co_await give(core, file);
  const auto undo = [core, set](this auto) -> Async<void> {
    co_await cancel_migration(core);
    co_await take_back(core, set);
  };
  co_await with_undo(write_memory(core, set, std::move(progress)), undo);
  co_await take_back(core, set);
  co_return co_await core->services().lane.run([&] { return flush(file, path); });
}

Async<void> QemuSnapshots::cancel() {
  const auto core = core_;
  co_await cancel_migration(core);
}

Async<void> load_memory(Core core, std::string path) {
  const auto file = co_await core->services().lane.run([&] { return open_memory(path, O_RDONLY); });
  co_await choose_layout(core);
  const auto set = co_await give(core, file);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail(path);
  const auto patience = patience_with(Bytes{std::int64_t{info.st_blocks} * 512});
  std::optional<Error> failure;
  Migration end;
  try {
    json::Object where{{"uri", fmt::format("file:/dev/fdset/{}", set)}};
    co_await core->qmp().execute("migrate-incoming", std::move(where));
    end = co_await wait_for_end(core, {}, patience);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure && end.status == "completed") co_return co_await take_back(core, set);
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
