#include "drivers/dir/import.hpp"

#include <fmt/format.h>

#include "drivers/dir/staging.hpp"

namespace ruche::drivers::dir {

namespace {

using model::DiskFormat;
using model::ImageFormat;

class Import {
 public:
  Import(ImageTool tool, std::shared_ptr<const Place> place, ports::VolumeRef volume,
         ports::ProgressSink progress)
      : tool_(std::move(tool)),
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
    return tool_.on_lane(std::move(what), std::move(work));
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

  Async<void> convert() {
    const auto staging = staging_;
    co_await on_lane("preparing the conversion",
                     [staging, helper = tool_.helper] { staging->hand_to(helper); });
    ImageWork work;
    work.argv = convert_arguments(tool_.qemu_img, info_.format, volume_.format);
    work.write_paths = {staging->workplace()->path()};
    work.largest_file = largest_image(info_.virtual_size);
    auto percent = [this](double value) {
      report(static_cast<double>(total_.count) * (0.5 + value / 200));
    };
    const auto complaint =
        co_await run_qemu_img(tool_, std::move(work), staging->workplace(), std::move(percent));
    if (complaint.empty()) co_return;
    throw Error(Reason::image_refused, complaint)
        .remedy("Check the image with qemu-img check where you trust it.");
  }

  ImageTool tool_;
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

Async<ports::ImportResult> import_volume(ImageTool tool, std::shared_ptr<const Place> place,
                                         ports::VolumeRef volume, ports::ImportSource source,
                                         ports::ProgressSink progress) {
  auto before = co_await tool.on_lane("looking for the volume",
                                      [place, volume] { return imported_before(*place, volume); });
  if (before) co_return *before;
  Import work(std::move(tool), std::move(place), volume, std::move(progress));
  co_await with_undo(work.run(std::move(source)), [&work] { return work.undo(); });
  co_return work.result();
}

}  // namespace ruche::drivers::dir
