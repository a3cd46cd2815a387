#include "drivers/dir/layers.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "drivers/dir/chain.hpp"
#include "drivers/dir/found.hpp"
#include "drivers/dir/staging.hpp"

namespace ruche::drivers::dir {

namespace {

using model::DiskFormat;
using ports::VolumeRef;
using MaybeVolume = std::optional<VolumeRef>;
using Chain = std::vector<ChainLayer>;

const char* name_of(DiskFormat format) { return format == DiskFormat::raw ? "raw" : "qcow2"; }

Error missing(const VolumeRef& volume) {
  return Error(Reason::no_such_object,
               fmt::format("the volume {} is not on the datastore", to_text(volume.layer)));
}

void require_no_writer(const Chain& chain) {
  for (const auto& layer : chain) {
    if (!in_use_elsewhere(layer.file.get(), ImageUse::writer)) continue;
    throw Error(Reason::in_use,
                fmt::format("the volume {} is being written", to_text(layer.volume.layer)))
        .remedy("Stop the guest that uses it.");
  }
}

// How many layers lie above `base`, which is one of them from `first` on; all when there is none.
std::size_t layers_above(const Chain& chain, const MaybeVolume& base, std::size_t first) {
  if (!base) return chain.size();
  for (auto i = first; i < chain.size(); ++i) {
    if (same_file(chain[i].volume, *base)) return i;
  }
  throw Error(Reason::wrong_state,
              fmt::format("the volume {} does not stand on {}", to_text(chain.front().volume.layer),
                          to_text(base->layer)));
}

Bytes allocated(const Fd& file) {
  return Bytes{static_cast<std::int64_t>(status_of_open(file.get()).st_blocks) * 512};
}

// What these layers hold at most.
Bytes allocated(const Chain& chain, std::size_t from, std::size_t to) {
  Bytes sum;
  for (auto i = from; i < to; ++i) sum += allocated(chain[i].file);
  return sum;
}

// A clone or a merge on its way.
struct Work {
  Chain chain;
  Fd target;
  std::optional<Mirror> mirror;
  ImageWork image_work;
  Bytes size;
};
using SharedWork = std::shared_ptr<Work>;

// Of a clone that failed nothing stays; a merge leaves the volume, which is the daemon's alone
// again.
void clear_up(const Place& place, const VolumeRef& volume) {
  remove_staging(place, volume);
  const auto owner = place.open_owner(names_of(volume));
  const auto file = owner ? open_existing(owner.get(), names_of(volume).file, O_RDONLY) : Fd();
  if (!file) return;
  take_back(file);
  sync(file.get(), "a volume");
}

// Null when the volume is there already.
SharedWork begin_clone(const Place& place, const ImageTool& tool, const VolumeRef& volume,
                       const VolumeRef& source, const MaybeVolume& parent) {
  if (place.find(volume) == ports::VolumeState::ready) return nullptr;
  if (volume.format == DiskFormat::raw && parent) {
    throw Error(Reason::bad_spec, "only qcow2 volumes stand on a parent")
        .remedy("Use the format qcow2.");
  }
  auto work = std::make_shared<Work>();
  work->chain = open_chain(place, source);
  require_no_writer(work->chain);
  const auto copied = layers_above(work->chain, parent, 0);
  work->size = work->chain.front().facts.virtual_size;
  const auto names = names_of(volume);
  const auto owner = place.make_owner(names);
  clear_leftovers(owner.get(), names);
  place.require_space(owner.get(),
                      std::min(allocated(work->chain, 0, copied), largest_image(work->size)));
  work->target = create_new(owner.get(), names.partial());
  // Without a parent it is filled; else it begins as an empty overlay on the source, to be merged
  // with all of the chain down to its parent. (qemu-img convert -B would take the source's top
  // layer alone.)
  const auto first = parent ? MaybeVolume(source) : std::nullopt;
  write_new_volume(work->target.get(), {volume, work->size, first});
  work->mirror.emplace(place, volume);
  for (const auto& layer : work->chain) work->mirror->show(layer.volume, layer.file, tool.helper);
  work->mirror->show_writable(volume, work->target, tool.helper);
  auto argv = parent ? rebase_arguments(tool.qemu_img, volume, parent, false)
                     : fill_arguments(tool.qemu_img, volume, source);
  work->image_work = work->mirror->work(std::move(argv), largest_image(work->size));
  return work;
}

void end_clone(const Place& place, const VolumeRef& volume, const MaybeVolume& parent,
               const Work& work) {
  const auto names = names_of(volume);
  take_back(work.target);
  const auto facts = read_layer(work.target.get(), volume);
  const auto expected = parent ? path_from_sibling(*parent) : std::string();
  if (facts.virtual_size != work.size || facts.backing_file != expected) {
    throw Error(Reason::process_failed, "qemu-img has not made the copy that it was to make");
  }
  sync(work.target.get(), names.file);
  const auto owner = place.open_owner(names);
  if (!owner) throw missing(volume);
  publish(owner.get(), names.partial(), names);
  remove_tree(owner.get(), names.staging());
}

bool stands_on(const LayerFacts& facts, const MaybeVolume& base) {
  return facts.backing_file == (base ? path_from_sibling(*base) : std::string());
}

// Null when the volume stands on `base` already.
SharedWork begin_merge(const Place& place, const ImageTool& tool, const VolumeRef& volume,
                       const VolumeRef& below, const MaybeVolume& base) {
  const auto names = names_of(volume);
  const auto owner = place.open_owner(names);
  auto file = owner ? open_existing(owner.get(), names.file, O_RDWR) : Fd();
  if (!file) throw missing(volume);
  // The header is of no use while somebody else may be about to change it.
  if (in_use_elsewhere(file.get(), ImageUse::any)) {
    throw Error(Reason::in_use,
                fmt::format("the volume {} is open in another process", to_text(volume.layer)))
        .remedy("Stop the guest that uses it.");
  }
  if (stands_on(read_layer(file.get(), volume), base)) {
    clear_up(place, volume);
    return nullptr;
  }
  auto work = std::make_shared<Work>();
  work->target = std::move(file);
  work->chain = open_chain(place, volume);
  require_no_writer(work->chain);
  if (work->chain.size() < 2 || !same_file(work->chain[1].volume, below)) {
    throw Error(Reason::wrong_state, fmt::format("the volume {} does not stand on {}",
                                                 to_text(volume.layer), to_text(below.layer)));
  }
  const auto merged = layers_above(work->chain, base, 2);
  work->size = work->chain.front().facts.virtual_size;
  const auto now = allocated(work->target);
  place.require_space(owner.get(), std::min(allocated(work->chain, 1, merged),
                                            std::max(largest_image(work->size) - now, Bytes{})));
  work->mirror.emplace(place, volume);
  work->mirror->show_writable(volume, work->target, tool.helper);
  for (std::size_t i = 1; i < work->chain.size(); ++i) {
    work->mirror->show(work->chain[i].volume, work->chain[i].file, tool.helper);
  }
  // What is not used of the file as it is stays in it.
  const Bytes file_size{status_of_open(work->target.get()).st_size};
  work->image_work = work->mirror->work(rebase_arguments(tool.qemu_img, volume, base, true),
                                        file_size + largest_image(work->size));
  return work;
}

void end_merge(const Place& place, const VolumeRef& volume, const MaybeVolume& base,
               const Work& work) {
  if (!stands_on(read_layer(work.target.get(), volume), base)) {
    throw Error(Reason::process_failed, "qemu-img has not merged what it was to merge");
  }
  clear_up(place, volume);
}

void report(const ports::ProgressSink& progress, double percent, Bytes total) {
  if (!progress) return;
  progress(Bytes{static_cast<std::int64_t>(static_cast<double>(total.count) * percent / 100)},
           total);
}

Async<void> run_work(const ImageTool& tool, SharedWork work, ports::ProgressSink progress) {
  auto percent = [progress, total = work->size](double value) { report(progress, value, total); };
  auto image_work = work->image_work;
  const auto complaint = co_await run_qemu_img(tool, std::move(image_work),
                                               work->mirror->workplace(), std::move(percent));
  if (complaint.empty()) co_return;
  // Somebody opened it after we had looked.
  if (complaint.find("Is another process using the image") != std::string::npos) {
    throw Error(Reason::in_use, complaint).remedy("Stop the guest that uses it.");
  }
  throw Error(Reason::process_failed, complaint)
      .remedy("Look at the layers of the disk with qemu-img check.");
}

// The steps of both; the references outlive them.
struct Steps {
  const ImageTool& tool;
  std::shared_ptr<const Place> place;
  std::function<SharedWork()> begin;
  std::function<void(const Work&)> end;
};

Async<void> take_steps(const Steps& steps, ports::ProgressSink progress) {
  const auto work = co_await steps.tool.on_lane("opening the layers", steps.begin);
  if (!work) co_return;
  co_await run_work(steps.tool, work, progress);
  co_await steps.tool.on_lane("keeping a volume", [work, end = steps.end] { end(*work); });
  report(progress, 100, work->size);
}

Async<void> take_or_undo(const Steps& steps, VolumeRef volume, ports::ProgressSink progress) {
  co_await with_undo(take_steps(steps, std::move(progress)), [&steps, volume] {
    return steps.tool.on_lane("clearing up",
                              [place = steps.place, volume] { clear_up(*place, volume); });
  });
}

}  // namespace

Async<void> clone_volume(ImageTool tool, std::shared_ptr<const Place> place, VolumeRef volume,
                         VolumeRef source, MaybeVolume parent, ports::ProgressSink progress) {
  const Steps steps{tool, place, [=] { return begin_clone(*place, tool, volume, source, parent); },
                    [=](const Work& work) { end_clone(*place, volume, parent, work); }};
  co_await take_or_undo(steps, volume, std::move(progress));
}

Async<void> merge_volume(ImageTool tool, std::shared_ptr<const Place> place, VolumeRef volume,
                         VolumeRef below, MaybeVolume base, ports::ProgressSink progress) {
  const Steps steps{tool, place, [=] { return begin_merge(*place, tool, volume, below, base); },
                    [=](const Work& work) { end_merge(*place, volume, base, work); }};
  co_await take_or_undo(steps, volume, std::move(progress));
}

std::optional<model::LayerId> parent_of(const Place& place, const VolumeRef& volume) {
  const auto names = names_of(volume);
  const auto owner = place.open_owner(names);
  const auto file = owner ? open_existing(owner.get(), names.file, O_RDONLY) : Fd();
  if (!file) throw missing(volume);
  const auto parent = parent_in(read_layer(file.get(), volume), names.file);
  if (!parent) return std::nullopt;
  return parent->layer;
}

std::vector<std::string> rebase_arguments(const std::string& qemu_img, const VolumeRef& volume,
                                          const MaybeVolume& base, bool write_through) {
  // By default QEMU changes the header before it writes down where the new data is: killed between
  // the two, the image would stand on `base` without that data. Written through, the header is the
  // last that reaches the disk.
  std::vector<std::string> argv{
      qemu_img, "rebase", "-p", "-t", write_through ? "writethrough" : "writeback", "-f", "qcow2"};
  if (base) {
    argv.insert(argv.end(), {"-F", name_of(base->format), "-b", path_from_sibling(*base)});
  } else {
    argv.insert(argv.end(), {"-b", ""});
  }
  argv.push_back(path_in_mirror(volume));
  return argv;
}

std::vector<std::string> fill_arguments(const std::string& qemu_img, const VolumeRef& volume,
                                        const VolumeRef& source) {
  return {qemu_img,
          "convert",
          "-p",
          "-n",
          "--target-is-zero",
          "-t",
          "writeback",
          "-f",
          name_of(source.format),
          "-O",
          name_of(volume.format),
          path_in_mirror(source),
          path_in_mirror(volume)};
}

}  // namespace ruche::drivers::dir
