#include "drivers/mirror/debian_build.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/sha256.hpp"
#include "drivers/mirror/apt_sources.hpp"
#include "drivers/mirror/build_files.hpp"
#include "drivers/mirror/debian_guest.hpp"

namespace ruche::drivers::mirror {

namespace {

constexpr Duration kLookInterval{500};
constexpr Bytes kLongestLog = mib(8);
// The tree, the disk, the compressed image, and the copy that becomes the volume.
constexpr Bytes kNeeded = gib(4);
constexpr Bytes kLargestFile = gib(6);
constexpr const char* kDisk = "/disk.raw";
constexpr const char* kLog = "/log";
constexpr const char* kSources = "/sources.sources";

// What the tools of the build are, and where they are looked for. Programs and libraries are
// readable; of /etc, what everybody may read: apt's configuration and keys, the resolver, names.
std::vector<std::string> visible_paths(const std::string& sources) {
  std::vector<std::string> paths;
  for (const char* path : {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"}) {
    if (exists(path)) paths.emplace_back(path);
  }
  for (auto& mirror : local_mirrors(sources)) {
    if (exists(mirror)) paths.push_back(std::move(mirror));
  }
  // The resolver's file is often a link to here.
  for (const char* path : {"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"}) {
    if (exists(path)) paths.emplace_back(path);
  }
  return paths;
}

struct Finished {
  std::string directory;
  std::string source;
};

class Work {
 public:
  explicit Work(DebianBuild build) : build_(std::move(build)) {}

  Async<ports::BuiltImage> run() {
    co_await check_host();
    auto before = co_await on_lane([this] { return read_latest(); });
    if (before) co_return co_await deliver(std::move(*before));
    co_await prepare();
    const auto packages = co_await resolve();
    const Finished result{fmt::format("{}/debian-{}", build_.cache, key_of(packages)),
                          fmt::format("debian: {}, {} packages", codename_, packages.size())};
    const bool have =
        co_await on_lane([result] { return exists(result.directory + kDebianDiskFile); });
    if (!have) co_await make(packages.size(), result);
    co_await on_lane([this, result] { write_latest(result); });
    co_return co_await deliver(result);
  }

 private:
  template <class F>
  auto on_lane(F body) -> Async<std::invoke_result_t<F>> {
    return build_.lane.run(std::move(body));
  }

  std::string work() const { return build_.directory + kDebianWork; }

  Async<void> check_host() {
    if (build_.ids.count == 0) {
      throw Error(Reason::host_cannot,
                  "building a Debian image needs a daemon that runs as root, because the files in "
                  "it belong to many users")
          .at("/recipe")
          .remedy("Run ruched as root, or build it elsewhere and import it: ruche image import.");
    }
    codename_ = co_await on_lane(&debian_codename);
    if (codename_.empty()) {
      throw Error(Reason::host_cannot,
                  "the recipe builds the host's own Debian release, and this host is not Debian")
          .at("/recipe")
          .remedy("Import a cloud image of your choice: ruche image import.");
    }
    for (const char* tool : {"/usr/bin/mmdebstrap", "/usr/bin/mformat"}) {
      const bool there = co_await on_lane([tool] { return exists(tool); });
      if (there) continue;
      throw Error(Reason::host_cannot, fmt::format("{} is missing on this host", tool))
          .at("/recipe")
          .remedy("Install it: apt-get install mmdebstrap mtools e2fsprogs");
    }
    co_await on_lane([this] {
      make_folder(build_.directory, 0, 0);
      require_free(build_.directory, kNeeded);
    });
  }

  Async<void> prepare() {
    build_.say("Reading the package lists of the mirror");
    sources_ = co_await on_lane([this] { return debian_sources(read_apt_files(), codename_); });
    if (sources_.empty()) {
      throw Error(
          Reason::host_cannot,
          fmt::format("apt has no source of Debian {} (component main) on this machine", codename_))
          .remedy("Add one to /etc/apt/sources.list.d, and try: apt-get update");
    }
    co_await on_lane([this] {
      const auto user = build_.tools.user;
      const auto group = build_.tools.group;
      remove_folder(work());
      for (const char* part : {"", "/apt", "/apt/sources", "/apt/tmp", "/apt/log", "/apt/cache",
                               "/apt/cache/archives", "/apt/cache/archives/partial", "/apt/state",
                               "/apt/state/lists", "/apt/state/lists/partial"}) {
        make_folder(work() + part, user, group);
      }
      write_file(work() + "/apt/sources/debian.sources", sources_);
      give_file(work() + "/apt/sources/debian.sources", user, group);
    });
  }

  // Which versions there are, from lists that only this build has.
  Async<std::vector<std::string>> resolve() {
    Packages packages(build_.tools, work(), build_.cache);
    const std::vector<std::string> settings{"Dir::State=./apt/state",
                                            "Dir::State::status=/dev/null",
                                            "Dir::State::lists=./apt/state/lists",
                                            "Dir::Etc::sourcelist=/dev/null",
                                            "Dir::Etc::sourceparts=./apt/sources",
                                            "Dir::Cache=./apt/cache",
                                            "Dir::Cache::pkgcache=pkgcache.bin",
                                            "Dir::Cache::srcpkgcache=srcpkgcache.bin",
                                            "Dir::Log=./apt/log",
                                            "Debug::NoLocking=true",
                                            "Acquire::Retries=2",
                                            "Acquire::Languages=none",
                                            "APT::Sandbox::User=root",
                                            "APT::Install-Recommends=false"};
    std::vector<std::string> apt{"/usr/bin/apt-get", "-q"};
    for (const auto& setting : settings) apt.insert(apt.end(), {"-o", setting});
    auto update = apt;
    update.insert(update.end(), {"--error-on=any", "update"});
    co_await packages.run(std::move(update));
    auto simulate = apt;
    simulate.insert(simulate.end(), {"-s", "install", "?essential", "apt"});
    for (const auto& name : debian_packages()) simulate.push_back(name);
    auto found = parse_simulation(co_await packages.run(std::move(simulate)));
    if (found.empty()) throw Error(Reason::process_failed, "apt-get would install nothing");
    co_await on_lane([this] { remove_folder(work()); });
    co_return found;
  }

  static std::string hash_of(const std::string& text) {
    Sha256 hash;
    hash.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    return hash.hex().substr(0, 16);
  }
  std::string key_of(const std::vector<std::string>& packages) const {
    return hash_of(fmt::format("{}\n{}\n{}\n{}", codename_, sources_, debian_script(),
                               fmt::join(packages, "\n")));
  }

  Async<void> make(std::size_t packages, Finished result) {
    co_await on_lane([this] {
      make_folder(work(), build_.ids.first, build_.ids.first);
      write_file(work() + kSources, sources_);
      write_disk();
      write_file(work() + kLog, "");
      for (const char* name : {kSources, kDisk, kLog}) {
        give_file(work() + name, build_.ids.first, build_.ids.first);
      }
    });
    const auto end = co_await watched(packages);
    const auto log = co_await on_lane([this] { return read_tail(work() + kLog, kLongestLog); });
    if (end.status != 0) {
      co_await on_lane([this] { require_free(build_.directory, mib(1)); });
      throw Error(Reason::process_failed,
                  fmt::format("the build of the Debian image failed: {}", debian_failure(log)))
          .remedy("Check that this machine can install packages: apt-get update.");
    }
    co_await on_lane([this, result] { keep(result); });
  }

  void write_disk() const {
    const auto table = make_debian_table();
    make_sparse_file(work() + kDisk, kDebianDisk);
    write_at(work() + kDisk, table.head, 0);
    write_at(work() + kDisk, table.tail,
             kDebianDisk.count - static_cast<std::int64_t>(table.tail.size()));
  }

  // The finished image moves into the cache; older ones of this recipe go.
  void keep(const Finished& result) const {
    take_file(work() + kDebianDiskFile, kLargestFile);
    const auto partial = build_.cache + "/partial-debian";
    remove_folder(partial);
    make_folder(partial, 0, 0);
    rename_file(work() + kDebianDiskFile, partial + kDebianDiskFile);
    remove_folders(build_.cache, "debian-");
    rename_file(partial, result.directory);
    remove_folder(work());
  }

  // Runs the script and tells how far it is.
  Async<ports::HelperResult> watched(std::size_t packages) {
    Scope watching(co_await current_executor(), "image build");
    watching.spawn("progress", tell_progress(packages));
    ports::HelperResult end;
    std::exception_ptr failure;
    try {
      end = co_await run_script();
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    watching.cancel(CancelReason::user);
    co_await uninterrupted(joined(watching));
    if (failure) std::rethrow_exception(failure);
    co_return end;
  }
  static Async<void> joined(Scope& scope) { co_await scope.join(); }

  Async<ports::HelperResult> run_script() {
    ports::SpawnRequest request;
    request.name = "the Debian build";
    request.argv = {"/bin/sh", "-c",      "exec > ./log; " + debian_script(),
                    "build",   codename_, fmt::format("{}", fmt::join(debian_packages(), ","))};
    request.environment = tool_environment();
    request.working_directory = work();
    request.confinement.own_root = build_.ids;
    request.confinement.read_paths = visible_paths(sources_);
    request.confinement.write_paths = {work()};
    request.confinement.file_size_max = kLargestFile;
    co_return co_await ports::run_helper(build_.tools.processes, std::move(request), build_.cache);
  }

  Async<void> tell_progress(std::size_t packages) {
    std::string before;
    while (true) {
      co_await sleep_for(build_.clock, kLookInterval);
      const auto log = co_await on_lane([this] { return read_tail(work() + kLog, kLongestLog); });
      auto now = debian_progress(log, packages);
      if (now == before) continue;
      build_.say(now);
      before = std::move(now);
    }
  }

  Async<ports::BuiltImage> deliver(Finished result) {
    ports::BuiltImage image;
    image.disk_path = build_.directory + kDebianDiskFile;
    image.disk_format = model::DiskFormat::qcow2;
    image.source = result.source;
    co_await on_lane(
        [result, image] { link_or_copy(result.directory + kDebianDiskFile, image.disk_path); });
    build_.say("Built from " + image.source);
    co_return image;
  }

  // While the machine's package lists stay as they are, so do the versions: nobody asks the mirror.
  // The name holds the recipe, so that what an older recipe built is not used again.
  std::string latest_path() const {
    return fmt::format("{}/debian-{}-{}.latest", build_.cache, codename_, hash_of(debian_script()));
  }
  static std::int64_t lists_time() { return changed_at("/var/lib/apt/lists"); }

  std::optional<Finished> read_latest() const {
    if (!exists(latest_path())) return std::nullopt;
    const auto text = read_file(latest_path(), kib(4));
    const auto first = text.find('\n');
    const auto second = first == text.npos ? text.npos : text.find('\n', first + 1);
    if (second == std::string::npos) return std::nullopt;
    if (text.substr(0, first) != std::to_string(lists_time())) return std::nullopt;
    Finished finished{text.substr(first + 1, second - first - 1), text.substr(second + 1)};
    if (!exists(finished.directory + kDebianDiskFile)) return std::nullopt;
    return finished;
  }

  void write_latest(const Finished& finished) const {
    write_file(latest_path() + ".new",
               fmt::format("{}\n{}\n{}", lists_time(), finished.directory, finished.source));
    rename_file(latest_path() + ".new", latest_path());
  }

  DebianBuild build_;
  std::string codename_;
  std::string sources_;
};

}  // namespace

Async<ports::BuiltImage> build_debian(DebianBuild build) {
  Work work(std::move(build));
  co_return co_await work.run();
}

}  // namespace ruche::drivers::mirror
