#include "drivers/qemu/merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "drivers/qemu/cut.hpp"
#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/hot_plug.hpp"

namespace ruche::drivers::qemu {

namespace {

using Core = std::shared_ptr<MachineCore>;

constexpr Duration kPoll = std::chrono::milliseconds(50);
constexpr Duration kCancelLimit = std::chrono::seconds(60);
constexpr Bytes kMergeRate = mib(200);  // a second

struct Job {
  std::string status;
  std::string io_status;
  Bytes done;
  Bytes total;

  bool stopped_by_error() const { return io_status != "ok"; }
};

class Merge {
 public:
  Merge(Core core, ports::DiskMerge order, ports::ProgressSink progress)
      : core_(std::move(core)), order_(std::move(order)), progress_(std::move(progress)) {}

  Async<void> run();

 private:
  std::string node(const ports::ImageFile& file) const {
    return node_name(node_prefix(order_.disk.bus, order_.disk.slot), file.path);
  }
  // The same for every daemon.
  std::string job_id() const { return "merge-" + node(order_.layer); }
  bool is_top() const { return order_.files.chain.front().path == order_.layer.path; }

  void check() const;
  Async<void> be_in_layer();
  Async<std::string> backing_name(std::string node);
  Async<bool> is_merged();
  Async<std::optional<Job>> find_job();
  NodePair layer_nodes() const;
  Async<void> end_writing();
  Async<void> begin();
  Async<void> carry_on();
  void check_progress(const Job& job) const;
  Async<void> cancel_job();
  Async<void> stop_job();
  Async<void> wait_for_stop();
  Async<void> flush();
  Async<void> tidy();
  Async<void> require_merged();

  Core core_;
  ports::DiskMerge order_;
  ports::ProgressSink progress_;
};

// What a name in the header of `file` means.
std::filesystem::path resolved(const std::string& file, const std::string& name) {
  if (name.empty()) return {};
  const auto folder = std::filesystem::path(file).parent_path();
  return (folder / name).lexically_normal();
}

std::filesystem::path normal(const std::string& path) {
  return std::filesystem::path(path).lexically_normal();
}

void Merge::check() const {
  const auto& chain = order_.files.chain;
  const auto layer = std::ranges::find(chain, order_.layer.path, &ports::ImageFile::path);
  if (layer == chain.end()) {
    throw Error(Reason::bad_spec, order_.layer.path + " is no file of disk " + order_.disk.name);
  }
}

// A disk whose cut failed goes on in its overlay now: what is to move up into that lies below it.
Async<void> Merge::be_in_layer() {
  if (!is_top() || order_.files.chain.size() < 2) co_return;
  ports::DiskOverlay disk{order_.disk, order_.files, order_.layer};
  disk.files.chain.erase(disk.files.chain.begin());
  HotPlug plug(core_);
  const auto now = co_await plug.node_of(disk_id(order_.disk.name));
  if (now == node(order_.layer)) co_return;
  Cut cut(core_, {std::move(disk)});
  co_await cut.look();
  co_await cut.prepare();
  co_await cut.make();
}

// As QEMU read it from the image's header, or wrote it there.
Async<std::string> Merge::backing_name(std::string node) {
  HotPlug plug(core_);
  const auto present = co_await plug.nodes();
  const auto found = std::ranges::find_if(present, [&](const json::Object& candidate) {
    return text_member(candidate, "node-name") == node;
  });
  if (found == present.end()) throw Error(Reason::hypervisor_failed, "QEMU has no node " + node);
  const auto& image = as_object(member(*found, "image"));
  if (image.if_contains("backing-filename") == nullptr) co_return std::string();
  co_return text_member(image, "backing-filename");
}

Async<bool> Merge::is_merged() {
  const auto name = co_await backing_name(node(order_.layer));
  const auto stands_on = resolved(order_.layer.path, name);
  if (stands_on == normal(order_.below.path)) co_return false;
  if (stands_on == (order_.base ? normal(order_.base->path) : std::filesystem::path()))
    co_return true;
  throw Error(Reason::hypervisor_failed,
              fmt::format("{} stands on {}, not on {}", order_.layer.path,
                          stands_on.empty() ? "nothing" : stands_on.string(), order_.below.path));
}

Async<std::optional<Job>> Merge::find_job() {
  const auto answer = co_await core_->qmp().execute("query-block-jobs");
  if (!answer.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's jobs are no list");
  for (const auto& entry : answer.get_array()) {
    const auto& said = as_object(entry);
    if (text_member(said, "device") != job_id()) continue;
    co_return Job{text_member(said, "status"), text_member(said, "io-status"),
                  Bytes{number_member(said, "offset")}, Bytes{number_member(said, "len")}};
  }
  co_return std::nullopt;
}

NodePair Merge::layer_nodes() const {
  const auto name = node(order_.layer);
  for (auto& nodes : disk_nodes(order_.disk, order_.files)) {
    if (text_member(nodes.format, "node-name") == name) return std::move(nodes);
  }
  broken_invariant("a layer that was found is gone");
}

// QEMU holds an image against all others that is open to be written to; what stands on the layer
// elsewhere must be able to start.
Async<void> Merge::end_writing() {
  if (is_top()) co_return;
  auto nodes = layer_nodes();
  const bool merged = co_await is_merged();
  if (merged) nodes.format["backing"] = nullptr;
  if (merged && order_.base) nodes.format["backing"] = node(*order_.base);
  if (!merged) nodes.format["backing"] = node(order_.below);
  HotPlug plug(core_);
  co_await plug.end_writing(std::move(nodes.format));
}

// The header of `below` has the right name for `base` already: whoever made the images gave each
// file one name, and the driver of the datastore knows its layers by these.
//
// The job goes with its end: until it is dismissed, an ended one keeps a node without a child, on
// which QEMU crashes when anybody asks for all nodes (10.0.2, bdrv_refresh_filename). So that an
// error is not gone with it, the job stops at one and waits.
Async<void> Merge::begin() {
  json::Object what{{"job-id", job_id()},        {"device", node(order_.layer)},
                    {"speed", kMergeRate.count}, {"on-error", "stop"},
                    {"auto-finalize", false},    {"auto-dismiss", true}};
  if (order_.base) {
    auto name = co_await backing_name(node(order_.below));
    if (resolved(order_.layer.path, name) != normal(order_.base->path)) {
      throw Error(Reason::hypervisor_failed,
                  fmt::format("{} stands on '{}', which is not {}", order_.below.path, name,
                              order_.base->path));
    }
    what["base-node"] = node(*order_.base);
    what["backing-file"] = std::move(name);
  }
  HotPlug plug(core_);
  if (!is_top()) co_await plug.let_write(layer_nodes());
  co_await core_->qmp().execute("block-stream", std::move(what));
}

// QEMU writes into the header on what the layer stands from now on, but keeps the tables of what it
// moved up in memory until something flushes them: killed in between, it would leave a layer that
// shows neither (measured with 10.0.2).
Async<void> Merge::flush() {
  json::Object line{{"command-line", fmt::format("qemu-io {} flush", node(order_.layer))}};
  const auto answer = co_await core_->qmp().execute("human-monitor-command", std::move(line));
  if (!answer.is_string()) throw Error(Reason::hypervisor_failed, "QEMU flushed nothing");
  const std::string_view said(answer.get_string());
  if (said.empty()) co_return;
  throw Error(Reason::hypervisor_failed, fmt::format("{}: {}", order_.layer.path, said));
}

void Merge::check_progress(const Job& job) const {
  if (job.stopped_by_error()) {
    const bool full = job.io_status == "nospace";
    throw Error(full ? Reason::not_enough_space : Reason::hypervisor_failed,
                fmt::format("{} could not take in {}: {}", order_.layer.path, order_.below.path,
                            full ? "the datastore is full" : "a file cannot be read or written"));
  }
  if (progress_) progress_(job.done, job.total);
}

Async<void> Merge::carry_on() {
  while (true) {
    const auto job = co_await find_job();
    if (!job) co_return;
    check_progress(*job);
    if (job->status == "pending") {
      co_await flush();
      json::Object which{{"id", job_id()}};
      co_await core_->qmp().execute("job-finalize", std::move(which));
    }
    co_await sleep_for(core_->services().clock, kPoll);
  }
}

Async<void> Merge::wait_for_stop() {
  while (co_await find_job()) {
    co_await sleep_for(core_->services().clock, kPoll);
  }
}

// One that has just ended refuses; whether it is gone shows afterwards.
Async<void> Merge::cancel_job() {
  json::Object which{{"device", job_id()}, {"force", true}};  // also one that an error stopped
  try {
    co_await core_->qmp().execute("block-job-cancel", std::move(which));
  } catch (const Error& error) {
    core_->services().log.debug("qemu", error.full_message(),
                                {{"guest", to_text(core_->record().guest)}});
  }
}

Async<void> Merge::stop_job() {
  if (co_await find_job()) co_await cancel_job();
  co_await with_deadline(core_->services().clock, kCancelLimit, "the end of the merge",
                         wait_for_stop());
  co_await end_writing();
}

// Out of the record first: what is in it must be in QEMU.
Async<void> Merge::tidy() {
  co_await flush();
  co_await end_writing();
  co_await core_->change_record([&](RuntimeRecord& record) {
    const auto disk = std::ranges::find(record.disks, order_.disk.name, &RecordedDisk::name);
    if (disk == record.disks.end()) return;
    std::erase_if(disk->chain, [&](const auto& file) { return file.path == order_.below.path; });
  });
  HotPlug plug(core_);
  co_await plug.remove_nodes(node(order_.below));
}

// An error at the very end goes with the job.
Async<void> Merge::require_merged() {
  const bool merged = co_await is_merged();
  if (merged) co_return;
  throw Error(Reason::hypervisor_failed,
              order_.layer.path + " still stands on " + order_.below.path + " after the merge");
}

Async<void> Merge::run() {
  check();
  const auto undo = [this](this auto) -> Async<void> {
    co_await stop_job();
    const bool done = co_await is_merged();  // it was broken off after its end
    if (done) co_await tidy();
  };
  // One that an earlier daemon began.
  if (co_await find_job()) co_await with_undo(carry_on(), undo);
  co_await be_in_layer();
  const auto work = [this](this auto) -> Async<void> {
    const bool merged = co_await is_merged();
    if (!merged) {
      co_await begin();
      co_await carry_on();
      co_await require_merged();
    }
    co_await tidy();
  };
  co_await with_undo(work(), undo);
}

}  // namespace

Async<void> merge_layer(Core core, ports::DiskMerge order, ports::ProgressSink progress) {
  Merge merge(std::move(core), std::move(order), std::move(progress));
  co_await merge.run();
}

}  // namespace ruche::drivers::qemu
