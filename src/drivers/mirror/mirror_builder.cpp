#include "drivers/mirror/mirror_builder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "drivers/mirror/build_files.hpp"
#include "drivers/mirror/debian_build.hpp"
#include "drivers/mirror/demo_guest.hpp"
#include "drivers/mirror/packages.hpp"

namespace ruche::drivers::mirror {

namespace {

// In the order in which we like them. The generic kernel works too; it is larger.
constexpr std::string_view kKernels[] = {"linux-image-cloud-amd64", "linux-image-amd64"};
constexpr std::string_view kBusybox = "busybox-static";
constexpr Bytes kDiskSize = mib(64);
constexpr const char* kDisk = "/disk.raw";
constexpr const char* kKernel = "/vmlinuz";
constexpr const char* kInitrd = "/initrd";
constexpr Bytes kLargestModule = mib(64);
constexpr int kCleanAttempts = 50;
constexpr Duration kCleanPause{100};

struct DemoPackages {
  Package kernel;
  Package busybox;
};

// A build in the cache.
struct Finished {
  std::string directory;
  std::string source;  // for people
};

// While the machine's package lists stay as they are, so do the versions: the latest build is noted
// with the lists' time, and nobody needs to ask apt.
std::string latest_path(const std::string& cache) {
  return fmt::format("{}/demo-{}-latest", cache, kDemoRevision);
}
std::int64_t lists_time() { return changed_at("/var/lib/apt/lists"); }

std::optional<Finished> read_latest(const std::string& cache) {
  if (!exists(latest_path(cache))) return std::nullopt;
  const auto text = read_file(latest_path(cache), kib(4));
  const auto first = text.find('\n');
  const auto second = text.find('\n', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  if (text.substr(0, first) != std::to_string(lists_time())) return std::nullopt;
  Finished finished{text.substr(first + 1, second - first - 1), text.substr(second + 1)};
  if (!exists(finished.directory)) return std::nullopt;
  return finished;
}

void write_latest(const std::string& cache, const Finished& finished) {
  const auto path = latest_path(cache);
  write_file(path + ".partial",
             fmt::format("{}\n{}\n{}", lists_time(), finished.directory, finished.source));
  rename_file(path + ".partial", path);
}

Async<Package> find_kernel_package(Packages& packages) {
  std::optional<Error> failure;
  for (const auto wanted : kKernels) {
    try {
      const auto meta = co_await packages.candidate(std::string(wanted));
      for (const auto& name : meta.depends) {
        if (name.starts_with("linux-image-")) co_return co_await packages.candidate(name);
      }
    } catch (const Error& error) {
      if (error.reason() != Reason::no_such_object) throw;
      if (!failure) failure = error;
    }
  }
  if (failure) throw std::move(*failure);
  throw Error(Reason::no_such_object, "no kernel package of this machine's mirror names a kernel");
}

Async<DemoPackages> find_and_fetch(Packages& packages, std::function<void(std::string)> say,
                                   std::function<bool(const DemoPackages&)> have) {
  DemoPackages found;
  found.kernel = co_await find_kernel_package(packages);
  found.busybox = co_await packages.candidate(std::string(kBusybox));
  if (have(found)) co_return found;
  for (const auto& package : {found.kernel, found.busybox}) {
    if (packages.is_fetched(package)) continue;
    say(fmt::format("Fetching {} {}", package.name, package.version));
    co_await packages.fetch(package);
  }
  co_return found;
}

}  // namespace

// One run of the recipe.
struct MirrorBuilder::Build {
  MirrorBuilder& builder;
  std::string directory;
  std::function<void(std::string)> say;
  std::string cache;  // <parent>/cache, ours
  std::string work;  // <cache>/packages, the tools' user's

  template <class F>
  auto on_lane(F body) -> Async<std::invoke_result_t<F>> {
    return builder.lane_.run(std::move(body));
  }

  std::string finished(const DemoPackages& packages) const {
    return fmt::format("{}/demo-{}-{}_{}-{}_{}", cache, kDemoRevision, packages.kernel.name,
                       packages.kernel.version, packages.busybox.name, packages.busybox.version);
  }

  Async<ports::BuiltImage> run() {
    const auto user = builder.options_.helper_user;
    const auto group = builder.options_.helper_group;
    const std::string cache_path = cache;
    const std::string work_path = work;
    const std::string directory_path = directory;
    co_await on_lane([=] {
      make_folder(cache_path, 0, 0);
      make_folder(directory_path, 0, 0);
      for (const char* part : {"", "/apt", "/apt/tmp", "/apt/log", "/apt/cache",
                               "/apt/cache/archives", "/apt/cache/archives/partial", "/apt/state",
                               "/apt/state/lists", "/apt/state/lists/partial"}) {
        make_folder(work_path + part, user, group);
      }
    });
    auto before = co_await on_lane([=] { return read_latest(cache_path); });
    if (before) co_return co_await deliver(std::move(*before));
    Packages packages({builder.processes_, user, group}, work, cache);
    const auto found = co_await with_fresh_lists(packages);
    const Finished result{finished(found),
                          fmt::format("demo: {} {}, {} {}", found.kernel.name, found.kernel.version,
                                      found.busybox.name, found.busybox.version)};
    const bool have = co_await on_lane([result] { return exists(result.directory); });
    if (!have) co_await make(packages, found, result.directory);
    co_await on_lane([=] { write_latest(cache_path, result); });
    co_return co_await deliver(result);
  }

  // The machine's lists may be absent, or older than the mirror; then with lists of our own.
  Async<DemoPackages> with_fresh_lists(Packages& packages) {
    const auto have = [this](const DemoPackages& found) { return exists(finished(found)); };
    std::optional<Error> failure;
    try {
      co_return co_await find_and_fetch(packages, say, have);
    } catch (const Error& error) {
      failure = error;
    }
    say("Fetching package lists, because: " + failure->message());
    co_await packages.use_own_lists();
    co_return co_await find_and_fetch(packages, say, have);
  }

  Async<void> make(Packages& packages, DemoPackages found, std::string result) {
    say("Unpacking");
    const auto clear = [work_path = work] {
      remove_folder(work_path + "/kernel");
      remove_folder(work_path + "/busybox");
    };
    co_await on_lane(clear);
    co_await packages.unpack(found.kernel, "kernel");
    co_await packages.unpack(found.busybox, "busybox");
    say("Making the initramfs");
    const auto kernel =
        co_await on_lane([folder = work + "/kernel"] { return find_kernel(folder); });
    const auto modules = co_await read_modules(packages, kernel);
    auto compose = [this_work = work, result, kernel, modules] {
      const auto busybox = read_file(find_busybox(this_work + "/busybox"), mib(64));
      const auto lookup = [&](const std::string& name) -> std::optional<std::string> {
        const auto at = modules.find(name);
        if (at == modules.end()) return std::nullopt;
        return at->second;
      };
      const auto partial = result + ".partial";
      remove_folder(partial);
      make_folder(partial, 0, 0);
      write_file(partial + kInitrd, make_demo_initramfs(busybox, lookup));
      copy_file(kernel.image, partial + kKernel);
      rename_file(partial, result);
    };
    co_await on_lane(std::move(compose));
    co_await on_lane(clear);
  }

  // The modules that the guest may need, decompressed, by name.
  Async<std::map<std::string, std::string>> read_modules(Packages& packages,
                                                         UnpackedKernel kernel) {
    std::map<std::string, std::string> contents;
    std::vector<std::string> wanted = demo_drivers().always;
    for (const auto& [device, modules] : demo_drivers().by_device) {
      wanted.insert(wanted.end(), modules.begin(), modules.end());
    }
    while (!wanted.empty()) {
      const auto name = std::move(wanted.back());
      wanted.pop_back();
      const auto file = kernel.modules.find(name);
      if (file == kernel.modules.end() || contents.contains(name)) continue;
      const auto path = co_await decompressed(packages, file->second);
      auto content = co_await on_lane([path] { return read_file(path, kLargestModule); });
      for (auto& needed : dependencies_of(content)) wanted.push_back(std::move(needed));
      contents.emplace(name, std::move(content));
    }
    co_return contents;
  }

  // Debian 13 compresses modules; the busybox that we have just unpacked knows how.
  Async<std::string> decompressed(Packages& packages, std::string path) {
    if (!path.ends_with(".xz")) co_return path;
    const auto busybox =
        co_await on_lane([folder = work + "/busybox"] { return find_busybox(folder); });
    const auto relative = [this](const std::string& full) {
      return "." + full.substr(work.size());
    };
    // Through a shell, because the tools' user may not be able to walk to the directory.
    co_await packages.run(
        {"/bin/sh", "-c", R"(exec "$0" unxz -f "$1")", relative(busybox), relative(path)});
    co_return path.substr(0, path.size() - 3);
  }

  Async<ports::BuiltImage> deliver(Finished result) {
    ports::BuiltImage image;
    image.disk_path = directory + kDisk;
    image.disk_format = model::DiskFormat::raw;
    image.kernel_path = directory + kKernel;
    image.initrd_path = directory + kInitrd;
    image.command_line = demo_command_line();
    image.source = result.source;
    const auto copied = image;
    co_await on_lane([result, copied] {
      copy_file(result.directory + kKernel, copied.kernel_path);
      copy_file(result.directory + kInitrd, copied.initrd_path);
      make_sparse_file(copied.disk_path, kDiskSize);
    });
    say("Built from " + image.source);
    co_return image;
  }
};

MirrorBuilder::MirrorBuilder(ports::Processes& processes, Clock& clock, MirrorOptions options)
    : processes_(processes), clock_(clock), options_(options), lane_("image build") {}

MirrorBuilder::~MirrorBuilder() = default;

std::vector<ports::ImageRecipe> MirrorBuilder::recipes() const {
  return {{"demo", true}, {"debian", false}};
}

Async<ports::BuiltImage> MirrorBuilder::build(std::string recipe, std::string directory,
                                              std::function<void(std::string)> say) {
  if (recipe != "demo" && recipe != "debian") {
    throw Error(Reason::no_such_object, "there is no recipe " + recipe)
        .at("/recipe")
        .remedy("The recipes are: demo, debian.");
  }
  if (busy_) throw Error(Reason::in_use, "an image is being built").remedy("Wait for that task.");
  struct Busy {
    bool& flag;
    explicit Busy(bool& wanted) : flag(wanted) { flag = true; }
    ~Busy() { flag = false; }
  };
  const Busy busy(busy_);
  if (!say) say = [](std::string) {};
  const auto parent = std::filesystem::path(directory).parent_path().string();
  const std::string cache = parent + "/cache";
  co_await lane_.run([cache] {
    make_folder(cache, 0, 0);
    remove_leftovers(cache);
  });
  if (recipe == "debian") {
    co_return co_await build_debian({{processes_, options_.helper_user, options_.helper_group},
                                     options_.tree_ids,
                                     clock_,
                                     lane_,
                                     cache,
                                     directory,
                                     std::move(say)});
  }
  Build work{*this, directory, std::move(say), cache, cache + "/packages"};
  co_return co_await work.run();
}

Async<void> MirrorBuilder::clean(std::string directory) {
  // Only what we put there: the directory's name came from somebody else. The processes of a build
  // that was killed may need a moment to end.
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    try {
      co_await lane_.run([directory] {
        for (const char* name : {kDisk, kKernel, kInitrd, kDebianDiskFile, kDebianWork}) {
          remove_folder(directory + name);
        }
        ::rmdir(directory.c_str());
      });
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) co_return;
    if (attempt == kCleanAttempts) throw std::move(*failure);
    co_await sleep_for(clock_, kCleanPause);
  }
}

}  // namespace ruche::drivers::mirror
