#include "drivers/qemu/transfer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "drivers/qemu/hot_plug.hpp"

namespace ruche::drivers::qemu {

namespace {

using Core = std::shared_ptr<MachineCore>;

constexpr const char* kPurpose = "memory";
constexpr Duration kPoll = std::chrono::milliseconds(10);
constexpr Duration kCancelLimit = std::chrono::seconds(30);
constexpr std::size_t kHeader = 512;  // more than the names of a file's capabilities are away

std::int64_t count_of(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

Async<void> wait_until_over(Core core) { co_await wait_for_migration(core, {}); }

}  // namespace

bool Migration::over() const {
  return status.empty() || status == "none" || status == "completed" || status == "failed" ||
         status == "cancelled";
}

Async<Migration> query_migration(Core core) {
  const auto answer = co_await core->qmp().execute("query-migrate");
  const auto& said = as_object(answer);
  Migration now;
  if (said.if_contains("status") != nullptr) now.status = text_member(said, "status");
  if (said.if_contains("error-desc") != nullptr) now.error = text_member(said, "error-desc");
  if (const auto* ram = said.if_contains("ram"); ram != nullptr && ram->is_object()) {
    const auto& memory = ram->get_object();
    now.total = Bytes{count_of(memory, "total")};
    now.done = now.total - Bytes{count_of(memory, "remaining")};
    now.pages = count_of(memory, "normal") + count_of(memory, "duplicate");
  }
  co_return now;
}

Async<Migration> wait_for_migration(Core core, ports::ProgressSink progress, Duration patience) {
  const auto& clock = core->services().clock;
  StallWatch watch(clock.now(), patience);
  while (true) {
    auto now = co_await query_migration(core);
    if (now.over()) co_return now;
    watch.note(clock.now(), now.status, now.done, now.total);
    if (progress) progress(now.done, now.total);
    co_await sleep_for(core->services().clock, kPoll);
  }
}

Async<void> cancel_migration(Core core) {
  const auto now = co_await query_migration(core);
  if (!now.over()) {
    co_await core->qmp().execute("migrate_cancel");
    co_await with_deadline(core->services().clock, kCancelLimit, "the end of the save",
                           wait_until_over(core));
  }
  co_await take_back_memory_file(core);
}

Async<void> stand_still(Core core) {
  const auto answer = co_await core->qmp().execute("query-status");
  // QEMU refuses to write a second time what it has written; that an earlier daemon heard of its
  // end is not known, so the guest goes on for a moment.
  if (text_member(as_object(answer), "status") == "postmigrate") {
    co_await core->power(ports::PowerAction::resume);
  }
  co_await core->power(ports::PowerAction::pause);
}

void require_saved(const Migration& end) {
  if (end.status == "completed") return;
  const bool full = end.error.find(std::strerror(ENOSPC)) != std::string::npos;
  throw Error(
      full ? Reason::not_enough_space : Reason::hypervisor_failed,
      fmt::format("the memory could not be saved: {}", end.error.empty() ? end.status : end.error));
}

Async<void> choose_layout(Core core, Layout layout) {
  json::Array capabilities;
  const auto choose = [&](std::string_view name, bool wanted) {
    capabilities.push_back(json::Object{{"capability", name}, {"state", wanted}});
  };
  choose("mapped-ram", layout == Layout::mapped);
  choose("background-snapshot", layout == Layout::beside_the_guest);
  json::Object wanted{{"capabilities", std::move(capabilities)}};
  co_await core->qmp().execute("migrate-set-capabilities", std::move(wanted));
}

Async<void> limit_migration(Core core, Bytes per_second) {
  json::Object limit{{"max-bandwidth", per_second.count}};
  co_await core->qmp().execute("migrate-set-parameters", std::move(limit));
}

Async<std::int64_t> lend_memory_file(Core core, const Descriptor& file) {
  json::Object arguments{{"opaque", kPurpose}};
  std::vector<int> descriptors{file.get()};
  const auto answer =
      co_await core->qmp().execute_with("add-fd", std::move(arguments), std::move(descriptors));
  co_return number_member(as_object(answer), "fdset-id");
}

Async<void> take_back_memory_file(Core core) {
  HotPlug plug(core);
  co_await plug.take_back(kPurpose);
}

std::string migration_address(std::int64_t set) { return fmt::format("file:/dev/fdset/{}", set); }

void fail_file(const std::string& path) {
  if (errno == ENOSPC || errno == EDQUOT) {
    throw Error(Reason::not_enough_space, path + ": " + std::strerror(errno));
  }
  throw Error(Reason::io_failed, fmt::format("{}: {}", path, std::strerror(errno)));
}

Descriptor open_memory_file(const std::string& path, int mode) {
  Descriptor opened(::open(path.c_str(), mode | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!opened.open()) fail_file(path);
  struct stat info{};
  if (::fstat(opened.get(), &info) != 0) fail_file(path);
  if (!S_ISREG(info.st_mode)) throw Error(Reason::io_failed, path + " is no plain file");
  return opened;
}

Bytes flush_file(const Descriptor& file, const std::string& path) {
  if (::fsync(file.get()) != 0) fail_file(path);
  return size_of_file(file, path);
}

Bytes size_of_file(const Descriptor& file, const std::string& path) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail_file(path);
  return Bytes{std::int64_t{info.st_blocks} * 512};
}

// The stream begins with the machine's name and the capabilities that the reader must have too.
Layout layout_of(const Descriptor& file, const std::string& path) {
  std::string head(kHeader, '\0');
  const auto read = ::pread(file.get(), head.data(), head.size(), 0);
  if (read < 0) fail_file(path);
  head.resize(static_cast<std::size_t>(read));
  return head.find("mapped-ram") == std::string::npos ? Layout::stream : Layout::mapped;
}

}  // namespace ruche::drivers::qemu
