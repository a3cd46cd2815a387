#include "drivers/dir/image_tool.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <exception>

namespace ruche::drivers::dir {

namespace {

constexpr auto kProgressPause = std::chrono::milliseconds(250);
constexpr std::size_t kOutputLimit = 4096;
// With less than this left, a conversion that failed has failed for lack of space.
constexpr std::uint64_t kAlmostNothing = std::uint64_t{1} << 20;

using SharedPlace = std::shared_ptr<const Workplace>;

std::vector<std::string> existing(std::vector<std::string> paths) {
  std::erase_if(paths, [](const std::string& path) { return ::access(path.c_str(), F_OK) != 0; });
  return paths;
}

ports::SpawnRequest request_of(const ImageTool& tool, ImageWork work, const Workplace& place) {
  ports::SpawnRequest request;
  request.name = "qemu-img " + work.argv.at(1);
  request.argv = std::move(work.argv);
  request.environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
  request.descriptors = std::move(work.descriptors);
  request.stdout_path = place.path() + "/" + Workplace::kOutput;
  request.stderr_path = place.path() + "/" + Workplace::kErrors;
  request.working_directory = place.path();
  auto& confinement = request.confinement;
  confinement.user = tool.helper.user;
  confinement.group = tool.helper.group;
  // What qemu-img and the loader read.
  confinement.read_paths = existing({"/usr/share", "/etc/ld.so.cache", "/proc", "/sys", "/dev"});
  confinement.read_paths.insert(confinement.read_paths.end(), work.read_paths.begin(),
                                work.read_paths.end());
  confinement.execute_paths = existing({"/usr/bin", "/usr/lib", "/lib", "/lib64"});
  confinement.execute_paths.push_back(tool.qemu_img);
  confinement.write_paths = std::move(work.write_paths);
  // QEMU tries out its file locks on it.
  confinement.write_paths.emplace_back("/dev/null");
  confinement.file_size_max = work.largest_file;
  confinement.address_space_max = work.address_space;
  confinement.cpu_seconds_max = 6 * 3600;
  confinement.dies_with_daemon = true;
  return request;
}

Async<void> watch(const ImageTool& tool, SharedPlace place, std::function<void(double)> percent) {
  while (true) {
    co_await sleep_for(tool.clock, kProgressPause);
    const auto output = co_await tool.on_lane(
        "looking at qemu-img", [place] { return place->read(Workplace::kOutput, 256); });
    percent(last_percentage(output));
  }
}

// Ends what was started: nobody of it may still write when its directory goes.
Async<void> finish(Scope& watching, ports::Process& process, bool kill) {
  if (kill) {
    process.signal(SIGKILL);
    co_await process.wait();
  }
  co_await watching.join();
}

Async<std::string> complaint(const ImageTool& tool, SharedPlace place, ports::ProcessExit end) {
  const auto words = co_await tool.on_lane("reading the messages of qemu-img", [place] {
    return place->read(Workplace::kErrors, kOutputLimit);
  });
  // On a full disk there may have been no room for the message either.
  const bool full =
      co_await tool.on_lane("looking for space", [place] { return place->is_full(); });
  if (full || words.find("No space left") != std::string::npos ||
      words.find("Disk quota exceeded") != std::string::npos) {
    throw Error(Reason::not_enough_space, "the datastore became full during the conversion")
        .remedy("Free space on the datastore, or use another one.");
  }
  const auto how = end.signalled() ? "was ended by signal " + std::to_string(-end.status)
                                   : "ended with status " + std::to_string(end.status);
  co_return "qemu-img " + how + ": " + words;
}

}  // namespace

std::string Workplace::read(const char* name, std::size_t limit) const {
  const auto file = open_existing(directory_.get(), name, O_RDONLY);
  if (!file) return {};
  const auto size = static_cast<std::uint64_t>(status_of_open(file.get()).st_size);
  std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(size, limit));
  bytes.resize(read_up_to(file.get(), bytes, size - bytes.size()));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool Workplace::is_full() const {
  struct statvfs info{};
  if (::fstatvfs(directory_.get(), &info) != 0) throw os_error("cannot look for space", errno);
  return info.f_bavail * info.f_frsize < kAlmostNothing;
}

Async<std::string> run_qemu_img(const ImageTool& tool, ImageWork work, SharedPlace place,
                                std::function<void(double)> percent) {
  auto request = request_of(tool, std::move(work), *place);
  auto process = co_await tool.processes.spawn(std::move(request));
  ports::ProcessExit end;
  std::exception_ptr failure;
  const auto executor = co_await current_executor();
  Scope watching(executor, "qemu-img");
  watching.spawn("progress", watch(tool, place, std::move(percent)));
  try {
    end = co_await process->wait();
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  watching.cancel(CancelReason::user);
  co_await uninterrupted(finish(watching, *process, failure != nullptr));
  if (failure) std::rethrow_exception(failure);
  if (end.status == 0) co_return std::string();
  co_return co_await complaint(tool, place, end);
}

double last_percentage(std::string_view output) {
  // "    (12.34/100%)\r", again and again.
  const auto open = output.rfind('(');
  if (open == std::string_view::npos) return 0;
  const auto slash = output.find('/', open);
  if (slash == std::string_view::npos) {
    return open == 0 ? 0 : last_percentage(output.substr(0, open));
  }
  double value = 0;
  const auto read = std::from_chars(output.data() + open + 1, output.data() + slash, value);
  if (read.ec != std::errc() || !std::isfinite(value)) return 0;
  return std::clamp(value, 0.0, 100.0);
}

Bytes largest_image(Bytes virtual_size) {
  return Bytes{virtual_size.count + virtual_size.count / 512} + mib(64);
}

}  // namespace ruche::drivers::dir
