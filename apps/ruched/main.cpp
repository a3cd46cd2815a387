// ruched: real ports, wired.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/loop.hpp"
#include "base/random.hpp"
#include "drivers/argon2/argon2.hpp"
#include "drivers/bridge/bridge_driver.hpp"
#include "drivers/curl/downloads.hpp"
#include "drivers/dir/dir_driver.hpp"
#include "drivers/linux/cgroups.hpp"
#include "drivers/linux/host_info.hpp"
#include "drivers/linux/processes.hpp"
#include "drivers/mirror/mirror_builder.hpp"
#include "drivers/qemu/engine.hpp"
#include "drivers/sealing/sealing.hpp"
#include "drivers/sqlite/history_log.hpp"
#include "drivers/sqlite/sqlite_store.hpp"
#include "ruched/daemon.hpp"
#include "ruched/instance.hpp"

namespace ruche::apps {

namespace {

// Users of helpers, just below those of guests (core/guests/plan_create.cpp); no file is theirs.
constexpr std::uint32_t kImageHelperUser = 0x6fff0001;
constexpr std::uint32_t kPackageHelperUser = 0x6fff0002;
constexpr std::uint32_t kDownloadHelperUser = 0x6fff0003;
constexpr ports::IdRange kTreeIds{0x6ffe0000, 0x10000};

// "Node 1.example.org" → "node-1".
std::string machine_name() {
  char raw[256] = {};
  ::gethostname(raw, sizeof(raw) - 1);
  std::string name;
  for (const char* c = raw; *c && *c != '.' && name.size() < 60; ++c) {
    const auto lower = static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
    name += std::isalnum(static_cast<unsigned char>(lower)) ? lower : '-';
  }
  return is_valid_name(name) ? name : "host";
}

// RUCHE_KILL_AT_COMMIT=<n>:before|after ends the process at its n-th commit, as kill -9 would; in
// builds for tests only.
std::function<void(std::uint64_t, bool)> crash_point() {
#ifdef RUCHE_FAULTS
  const char* wanted = std::getenv("RUCHE_KILL_AT_COMMIT");
  if (!wanted) return {};
  const std::string text = wanted;
  const auto number = std::strtoull(text.c_str(), nullptr, 10);
  const bool after = text.ends_with(":after");
  return [number, after](std::uint64_t commit, bool done) {
    if (commit == number && done == after) ::kill(::getpid(), SIGKILL);
  };
#else
  return {};
#endif
}

// Guests, connections and their helpers need descriptors; the usual limit of 1024 is for programs
// that call select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1 << 16);
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::unique_ptr<Log> open_log(const DaemonOptions& options) {
  constexpr std::size_t kLogBytes = 16 << 20;
  if (options.log_file.empty()) return stderr_log(options.log_level);
  return file_log(options.log_file, options.log_level, kLogBytes);
}

// Name servers read their files there as users of their own: no folder above may be closed to them.
const std::string kNetworkDirectory = "/run/ruche-networks-";
// On cgroup v1 nothing is delegated: then the instance makes its own groups.
std::string guest_cgroup(const DaemonOptions& options) {
  const auto parent = std::filesystem::path(options.guest_cgroup).parent_path().string();
  const bool v2 = !parent.empty() && drivers::linux::cgroup_version(parent) == 2;
  return v2 ? options.guest_cgroup : "/sys/fs/cgroup";
}

struct Places {
  Instance& instance;
  std::string datastore() const { return instance.path("datastore"); }
  std::string build() const { return instance.path("build"); }
  std::string run() const { return instance.path("run"); }
};

// The key that seals secrets in the store: made at the first start, in a file that only root reads.
// Never made anew beside a store: what is sealed in there could not be opened any more, and an
// error of the disk must not cost the key that is there.
Secret<std::string> key_of(const Instance& instance) {
  const auto path = instance.path("secrets.key");
  const bool absent = ::access(path.c_str(), F_OK) != 0 && errno == ENOENT;
  const bool first = ::access(instance.path("state.db").c_str(), F_OK) != 0 && errno == ENOENT;
  if (absent && first) {
    const auto key = drivers::sealing::make_key();
    replace_file(path, key.reveal());
    return key;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Error(Reason::io_failed,
                fmt::format("the key of this host's secrets, {}, cannot be read: {}", path,
                            std::strerror(errno)))
        .remedy(
            "restore it beside state.db; if it is lost, so are passwords and user-data for "
            "guests that never booted: head -c 32 /dev/urandom makes a new one (mode 0600)");
  }
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Secret<std::string> key(bytes);
  wipe(bytes);
  return key;
}

Async<void> serve_real(const DaemonOptions& options, Loop& loop, Log& log) {
  const auto random = system_random();
  Instance instance(options.data_dir, loop.clock().wall(), *random);
  const Places places{instance};
  const bool root = ::getuid() == 0;
  const auto cgroups = guest_cgroup(options);
  const auto processes = drivers::linux::linux_processes({options.jail, instance.label(), cgroups});
  drivers::dir::DirDrivers volumes(
      loop.clock(), log, *processes,
      {.helper_user = root ? kImageHelperUser : 0, .helper_group = root ? kImageHelperUser : 0});
  drivers::mirror::MirrorBuilder builder(
      *processes, loop.clock(),
      {root ? kPackageHelperUser : 0, root ? kPackageHelperUser : 0,
       root ? kTreeIds : ports::IdRange{}});
  drivers::curl::CurlDownloads downloads(loop.clock(), *processes,
                                         {.program = options.fetch,
                                          .user = root ? kDownloadHelperUser : 0,
                                          .group = root ? kDownloadHelperUser : 0});
  const auto host_info =
      drivers::linux::linux_host_info({.version = RUCHE_VERSION, .cgroup_mount = cgroups});
  const auto history =
      drivers::sqlite::open_history(instance.path("history.db"), loop.executor(), log);
  const auto passwords = drivers::argon2::make_passwords();
  const auto sealing = drivers::sealing::new_sealing(key_of(instance));
  const auto store =
      co_await drivers::sqlite::open_store(instance.path("state.db"), loop.executor(), loop.clock(),
                                           log, {.commit_hook = crash_point()});

  Lane files("guest files");
  Lane links("networks");
  std::unique_ptr<ports::NetworkDriver> networks;  // outlives what looks after its name servers
  Scope beside(loop.executor(), "beside machines");
  std::exception_ptr failure;
  try {
    const auto hypervisor =
        co_await drivers::qemu::open_qemu({.run_directory = places.run(),
                                           .pump_path = options.pump,
                                           .kept_folders = {options.data_dir}},
                                          {*processes, loop.clock(), log, beside, files});
    networks = co_await drivers::bridge::open_bridge(
        {instance.label(), kNetworkDirectory + instance.label(), !options.networks},
        {*processes, loop.clock(), log, beside, links});
    const core::HostControl::Ports ports{
        *store,   *hypervisor, volumes,  *networks,    builder, downloads, *host_info,
        *history, *passwords,  *sealing, loop.clock(), *random, log,       loop.executor()};
    const core::HostControl::Identity identity{
        instance.host(), options.host_name.empty() ? machine_name() : options.host_name,
        places.datastore(), "default", places.build()};
    co_await serve(options, ports, identity,
                   {instance.path("leaks.json"), instance.path("https.pem")});
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  beside.cancel(CancelReason::shutdown);
  co_await uninterrupted(drain(beside));
  std::rethrow_exception(failure);
}

}  // namespace
}  // namespace ruche::apps

int main(int argc, char** argv) {
  using namespace ruche;
  ::umask(0077);
  ::signal(SIGPIPE, SIG_IGN);
  apps::raise_descriptor_limit();
  int status = 0;
  const auto options = apps::parse_options(argc, argv, false, status);
  if (!options) return status;
  const auto log = apps::open_log(*options);
  Loop loop;
  try {
    loop.run(apps::serve_real(*options, loop, *log), {.stop_on_signals = true});
  } catch (const Cancelled&) {
    return 0;  // asked to end; guests run on
  } catch (const Error& error) {
    std::fprintf(stderr, "ruched: %s\n", error.full_message().c_str());
    if (!error.remedy_text().empty()) std::fprintf(stderr, "  %s\n", error.remedy_text().c_str());
    return exit_code(error.code());
  }
  return 0;
}
