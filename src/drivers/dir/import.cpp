#include "drivers/dir/import.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <exception>

#include "drivers/dir/staging.hpp"

namespace ruche::drivers::dir {

namespace {

using model::DiskFormat;
using model::ImageFormat;

constexpr auto kProgressPause = std::chrono::milliseconds(250);
constexpr std::size_t kOutputLimit = 4096;

// What qemu-img and the loader read besides the staging directory.
std::vector<std::string> existing(std::vector<std::string> paths) {
  std::erase_if(paths, [](const std::string& path) { return ::access(path.c_str(), F_OK) != 0; });
  return paths;
}

// The data is at most the disk's size; tables add less than a thousandth, and a little.
Bytes largest_result(Bytes virtual_size) {
  return Bytes{virtual_size.count + virtual_size.count / 512} + mib(64);
}

class Import {
 public:
  Import(ImportTools tools, std::shared_ptr<const Place> place, ports::VolumeRef volume,
         ports::ProgressSink progress)
      : tools_(std::move(tools)),
        place_(std::move(place)),
        volume_(volume),
        progress_(std::move(progress)) {}

  Async<void> run(ports::ImportSource source) {
    staging_ = co_await on_lane("opening the image", [place = place_, volume = volume_, source] {
      return std::make_shared<Staging>(place, volume, source);
    });
    const auto staging = staging_;
    total_ = Bytes{static_cast<std::int64_t>(staging->copy().size())};
    bool complete = false;
    while (!complete) {
      complete =
          co_await on_lane("copying the image", [staging] { return staging->copy().step(); });
      report(static_cast<double>(staging->copy().done()) / 2);
      co_await throw_if_cancelled();
    }
    result_.checksum = staging->copy().checksum();
    require_checksum(source);
    info_ = co_await on_lane("checking the image", [staging] { return staging->judge_copy(); });
    const auto checksum = result_.checksum;
    if (!staging->keeps_source()) {
      co_await convert();
      co_await on_lane("keeping the image",
                       [staging, checksum] { staging->publish_target(checksum); });
    } else {
      co_await on_lane("keeping the file",
                       [staging, checksum] { staging->publish_source(checksum); });
    }
    result_.virtual_size = staging->virtual_size();
    report(static_cast<double>(total_.count));
  }

  // The staging directory goes; the first failure was told already.
  Async<void> undo() {
    staging_.reset();
    co_await on_lane("clearing up",
                     [place = place_, volume = volume_] { remove_staging(*place, volume); });
  }

  ports::ImportResult result() const { return result_; }

 private:
  template <class F>
  auto on_lane(std::string what, F work) -> Async<std::invoke_result_t<F>> {
    return tools_.lane.run(tools_.clock, tools_.patience, std::move(what), std::move(work));
  }

  // Over what is in the staging directory, which nobody else can write.
  void require_checksum(const ports::ImportSource& source) const {
    if (source.checksum.empty() || source.checksum == result_.checksum) return;
    throw Error(Reason::checksum_mismatch,
                fmt::format("the file has {} instead of {}", result_.checksum, source.checksum))
        .at("/checksum")
        .remedy("Transfer it again; if that does not help, ask who published the checksum.");
  }

  void report(double done) {
    if (progress_) progress_(Bytes{static_cast<std::int64_t>(done)}, total_);
  }

  ports::SpawnRequest request() const {
    ports::SpawnRequest request;
    request.name = "qemu-img convert";
    request.argv = convert_arguments(tools_.qemu_img, info_.format, volume_.format);
    request.environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
    request.stdout_path = staging_->path() + "/" + Staging::kOutput;
    request.stderr_path = staging_->path() + "/" + Staging::kErrors;
    request.working_directory = staging_->path();
    auto& confinement = request.confinement;
    confinement.user = tools_.helper_user;
    confinement.group = tools_.helper_group;
    confinement.read_paths = existing({"/usr/share", "/etc/ld.so.cache", "/proc", "/sys", "/dev"});
    confinement.execute_paths = existing({"/usr/bin", "/usr/lib", "/lib", "/lib64"});
    confinement.execute_paths.push_back(tools_.qemu_img);
    // QEMU tries out its file locks on /dev/null.
    confinement.write_paths = {staging_->path(), "/dev/null"};
    confinement.file_size_max = largest_result(info_.virtual_size);
    confinement.address_space_max = gib(4);
    confinement.cpu_seconds_max = 6 * 3600;
    confinement.dies_with_daemon = true;
    return request;
  }

  Async<void> convert() {
    const auto staging = staging_;
    const HelperUser helper{tools_.helper_user, tools_.helper_group};
    co_await on_lane("preparing the conversion", [staging, helper] { staging->hand_to(helper); });
    auto request_of_conversion = request();
    auto process = co_await tools_.processes.spawn(std::move(request_of_conversion));
    ports::ProcessExit end;
    std::exception_ptr failure;
    const auto executor = co_await current_executor();
    Scope watching(executor, "conversion");
    watching.spawn("progress", watch());
    try {
      end = co_await process->wait();
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    watching.cancel(CancelReason::user);
    co_await uninterrupted(finish(watching, *process, failure != nullptr));
    if (failure) std::rethrow_exception(failure);
    if (end.status != 0) co_await refuse(end);
  }

  // Ends what the conversion started: nobody of it may still write when its directory goes.
  static Async<void> finish(Scope& watching, ports::Process& process, bool kill) {
    if (kill) {
      process.signal(SIGKILL);
      co_await process.wait();
    }
    co_await watching.join();
  }

  Async<void> watch() {
    const auto staging = staging_;
    while (true) {
      co_await sleep_for(tools_.clock, kProgressPause);
      const auto output = co_await on_lane(
          "looking at the conversion", [staging] { return staging->read(Staging::kOutput, 256); });
      report(static_cast<double>(total_.count) * (0.5 + last_percentage(output) / 200));
    }
  }

  Async<void> refuse(ports::ProcessExit end) {
    const auto staging = staging_;
    const auto words = co_await on_lane("reading the messages of qemu-img", [staging] {
      return staging->read(Staging::kErrors, kOutputLimit);
    });
    // On a full disk there may have been no room for the message either.
    const bool full =
        co_await on_lane("looking for space", [staging] { return staging->is_full(); });
    if (full || words.find("No space left") != std::string::npos ||
        words.find("Disk quota exceeded") != std::string::npos) {
      throw Error(Reason::not_enough_space, "the datastore became full during the conversion")
          .remedy("Free space on the datastore, or use another one.");
    }
    const auto how = end.signalled() ? "was ended by signal " + std::to_string(-end.status)
                                     : "ended with status " + std::to_string(end.status);
    throw Error(Reason::image_refused, "qemu-img " + how + ": " + words)
        .remedy("Check the image with qemu-img check where you trust it.");
  }

  ImportTools tools_;
  std::shared_ptr<const Place> place_;
  ports::VolumeRef volume_;
  ports::ProgressSink progress_;
  std::shared_ptr<Staging> staging_;
  model::image_format::ImageInfo info_;
  ports::ImportResult result_;
  Bytes total_;
};

}  // namespace

std::vector<std::string> convert_arguments(const std::string& qemu_img, ImageFormat from,
                                           DiskFormat to) {
  // Written out as a graph: no format is probed and no other file is opened, whatever a header
  // says.
  const std::string file = R"("file":{"driver":"file","filename":"source","locking":"off"})";
  std::string driver;
  switch (from) {
    case ImageFormat::raw:
    case ImageFormat::iso:
      driver = R"("driver":"raw")";
      break;
    case ImageFormat::qcow2:
      driver = R"("driver":"qcow2","backing":null)";
      break;
    case ImageFormat::vmdk:
      driver = R"("driver":"vmdk","backing":null)";
      break;
    case ImageFormat::vhd:
      // Some of its writers state a smaller disk by its geometry; we have judged by the size.
      driver = R"("driver":"vpc","force_size_calc":"current_size")";
      break;
    case ImageFormat::vhdx:
      driver = R"("driver":"vhdx")";
      break;
    case ImageFormat::vdi:
      driver = R"("driver":"vdi")";
      break;
  }
  std::vector<std::string> arguments{qemu_img, "convert", "-p", "-t", "writeback"};
  if (to == DiskFormat::qcow2) {
    for (const char* word : {"-O", "qcow2", "-o", "compat=1.1,cluster_size=65536"}) {
      arguments.emplace_back(word);
    }
  } else {
    arguments.insert(arguments.end(), {"-O", "raw"});
  }
  arguments.push_back(fmt::format("json:{{{},{}}}", driver, file));
  arguments.emplace_back("target");
  return arguments;
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

Async<ports::ImportResult> import_volume(ImportTools tools, std::shared_ptr<const Place> place,
                                         ports::VolumeRef volume, ports::ImportSource source,
                                         ports::ProgressSink progress) {
  auto before =
      co_await tools.lane.run(tools.clock, tools.patience, "looking for the volume",
                              [place, volume] { return imported_before(*place, volume); });
  if (before) co_return *before;
  Import work(std::move(tools), std::move(place), volume, std::move(progress));
  co_await with_undo(work.run(std::move(source)), [&work] { return work.undo(); });
  co_return work.result();
}

}  // namespace ruche::drivers::dir
