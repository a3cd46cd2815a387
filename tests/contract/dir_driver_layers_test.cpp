// Chains of real layers, cloned and merged by the real qemu-img: what they show, byte by byte, also
// when it is killed, when the disk is full, and when a header lies.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include "contract/dir_fixture.hpp"
#include "drivers/dir/chain.hpp"
#include "drivers/dir/layers.hpp"

namespace ruche::contract {
namespace {

using model::DiskFormat;
using ports::VolumeRef;
using ports::VolumeState;
using MaybeVolume = std::optional<VolumeRef>;

class DirLayers : public testing::Test {
 protected:
  DirLayers() { open(); }
  ~DirLayers() override {
    if (mounted_) ::umount2(place_.datastore.path.c_str(), MNT_DETACH);
  }
  // A daemon; the one before has ended.
  void open() {
    daemon_.reset();
    daemon_ = std::make_unique<DirDaemon>(place_);
    daemon_->loop.run(daemon_->driver->prepare());
  }
  // Another program instead of qemu-img, from the next daemon on.
  void use_program(const std::string& lines) {
    shell("mkdir -p -m 755 " + place_.path("tools") + " && chmod 755 " + place_.directory);
    std::ofstream(place_.path("tools/qemu-img")) << "#!/bin/sh\n" << lines;
    shell("chmod 755 " + place_.path("tools/qemu-img"));
    place_.options.qemu_img = place_.path("tools/qemu-img");
    open();
  }
  void use_qemu_img() {
    place_.options.qemu_img = drivers::dir::DirOptions().qemu_img;
    open();
  }

  VolumeRef disk(DiskFormat format = DiskFormat::qcow2) { return numbered_disk(++last_, format); }
  VolumeRef on(const MaybeVolume& parent, Bytes size, DiskFormat format = DiskFormat::qcow2) {
    const auto volume = disk(format);
    ports::CreateVolume request{volume, size, parent};
    daemon_->loop.run(daemon_->driver->create(std::move(request)));
    return volume;
  }
  std::string path_of(const VolumeRef& volume) { return daemon_->driver->file(volume).path; }
  void write(const VolumeRef& volume, const std::string& command) {
    const auto* format = volume.format == DiskFormat::raw ? "raw" : "qcow2";
    shell(fmt::format("qemu-io -f {} -c '{}' {}", format, command, path_of(volume)));
  }
  // All that a guest would see of it, in a file.
  std::string shown(const VolumeRef& volume) {
    const auto* format = volume.format == DiskFormat::raw ? "raw" : "qcow2";
    const auto path = place_.path(fmt::format("shown-{}", ++files_));
    shell(fmt::format("qemu-img convert -f {} -O raw {} {}", format, path_of(volume), path));
    return path;
  }
  void expect_shows(const VolumeRef& volume, const std::string& wanted) {
    EXPECT_NO_THROW(shell("cmp " + shown(volume) + " " + wanted));
    if (volume.format != DiskFormat::qcow2) return;
    // Clusters that nothing refers to (3) are what a kill may leave.
    EXPECT_NO_THROW(shell("qemu-img check -q " + path_of(volume) + " || test $? = 3"));
  }

  std::string failure(Async<void> work) {
    try {
      daemon_->loop.run(std::move(work));
    } catch (const Error& error) {
      message_ = error.full_message();
      return std::string(error.reason_name());
    }
    return "";
  }
  std::string clone(const VolumeRef& volume, const VolumeRef& source, MaybeVolume parent = {}) {
    return failure(daemon_->driver->clone(volume, source, parent, {}));
  }
  std::string merge(const VolumeRef& volume, const VolumeRef& below, MaybeVolume base = {}) {
    return failure(daemon_->driver->merge(volume, below, base, {}));
  }
  std::optional<model::LayerId> parent(const VolumeRef& volume) {
    return run_now(daemon_->loop, daemon_->driver->parent(volume));
  }
  std::string parent_failure(const VolumeRef& volume) {
    return failure([](ports::VolumeDriver& driver, VolumeRef of) -> Async<void> {
      co_await driver.parent(of);
    }(*daemon_->driver, volume));
  }
  std::vector<std::string> files() { return files_in(place_.datastore.path); }
  bool mount_small(const std::string& options) {
    std::filesystem::create_directories(place_.datastore.path);
    const unsigned long again = mounted_ ? MS_REMOUNT : 0;
    if (::mount("tmpfs", place_.datastore.path.c_str(), "tmpfs", again, options.c_str()) != 0) {
      return false;
    }
    mounted_ = true;
    return true;
  }

  // image (raw) <- lower <- middle <- top: each has of its own, hides some of the others', and is
  // larger than what it stands on.
  void make_chain() {
    image_ = on({}, mib(4), DiskFormat::raw);
    write(image_, "write -q -P 1 0 4M");
    lower_ = on(image_, mib(4));
    write(lower_, "write -q -P 2 64k 192k");
    middle_ = on(lower_, mib(8));
    write(middle_, "write -q -P 3 128k 64k");
    write(middle_, "write -q -z 1M 64k");
    write(middle_, "write -q -P 3 6M 70k");
    top_ = on(middle_, mib(12));
    write(top_, "write -q -P 4 192k 4k");
    write(top_, "write -q -P 4 9M 64k");
  }

  DirPlace place_;
  std::unique_ptr<DirDaemon> daemon_;
  VolumeRef image_, lower_, middle_, top_;
  std::string message_;
  std::uint8_t last_ = 0;
  int files_ = 0;
  bool mounted_ = false;
};

TEST_F(DirLayers, AreToldToQemuImgByTheirNames) {
  auto volume = numbered_disk(1);
  auto base = numbered_disk(2, DiskFormat::raw);
  base.owner_kind = model::ObjectKind::image;
  base.owner.bytes[15] = 9;
  const auto words = [](const std::vector<std::string>& argv) {
    return fmt::format("{}", fmt::join(argv, " "));
  };
  using namespace drivers::dir;
  EXPECT_EQ(words(rebase_arguments("qemu-img", volume, base, true)),
            "qemu-img rebase -p -t writethrough -f qcow2 -F raw -b "
            "../../images/00000000-0000-0000-0000-000000000009/"
            "00000000-0000-0000-0000-000000000002.raw "
            "guests/00000000-0000-0000-0000-000000000001/"
            "00000000-0000-0000-0000-000000000001.qcow2");
  EXPECT_EQ(rebase_arguments("qemu-img", volume, {}, false).at(4), "writeback");
  EXPECT_EQ(rebase_arguments("qemu-img", volume, {}, false).at(8), "") << "on nothing";
  EXPECT_EQ(words(fill_arguments("qemu-img", volume, base)),
            "qemu-img convert -p -n --target-is-zero -t writeback -f raw -O qcow2 "
            "images/00000000-0000-0000-0000-000000000009/"
            "00000000-0000-0000-0000-000000000002.raw "
            "guests/00000000-0000-0000-0000-000000000001/"
            "00000000-0000-0000-0000-000000000001.qcow2");
}

TEST_F(DirLayers, AClonedChainShowsTheSame) {
  make_chain();
  const auto wanted = shown(top_);
  for (const auto& base : {MaybeVolume(image_), MaybeVolume(lower_), MaybeVolume(middle_),
                           MaybeVolume(top_), MaybeVolume()}) {
    const auto copy = disk();
    ASSERT_EQ(clone(copy, top_, base), "") << message_;
    expect_shows(copy, wanted);
    EXPECT_EQ(parent(copy), base ? std::optional(base->layer) : std::nullopt);
    if (base) expect_shows(*base, shown(*base));
  }
  const auto raw = disk(DiskFormat::raw);
  ASSERT_EQ(clone(raw, top_), "") << message_;
  expect_shows(raw, wanted);
  const auto of_raw = disk();
  ASSERT_EQ(clone(of_raw, image_), "") << message_;
  expect_shows(of_raw, shown(image_));
  const auto on_image = disk();
  ASSERT_EQ(clone(on_image, top_, image_), "") << message_;
  EXPECT_LT(run_now(daemon_->loop, daemon_->driver->used(on_image)), mib(2))
      << "what is in the image is not copied";
  expect_shows(top_, wanted);
  for (const auto& file : files()) {
    const auto info = std::filesystem::status(place_.datastore.path + "/" + file);
    EXPECT_EQ(info.permissions() & std::filesystem::perms(0137), std::filesystem::perms::none)
        << file;
  }
}

TEST_F(DirLayers, AMergedChainShowsTheSame) {
  make_chain();
  const auto of_top = shown(top_);
  const auto of_middle = shown(middle_);
  ASSERT_EQ(merge(middle_, lower_, image_), "") << message_;
  expect_shows(top_, of_top);
  expect_shows(middle_, of_middle);
  EXPECT_EQ(failure(daemon_->driver->remove(lower_)), "");
  ASSERT_EQ(merge(middle_, image_), "") << message_;
  expect_shows(top_, of_top);
  expect_shows(middle_, of_middle);
  EXPECT_EQ(failure(daemon_->driver->remove(image_)), "");
  ASSERT_EQ(merge(top_, middle_), "") << message_;
  EXPECT_EQ(failure(daemon_->driver->remove(middle_)), "");
  expect_shows(top_, of_top);
  EXPECT_EQ(files().size(), 1u);
}

// A layer in the middle that is smaller than what it stands on hides the rest of it.
TEST_F(DirLayers, NothingShowsThroughASmallerLayer) {
  for (const auto* size : {"1M", "1000k", "1025k"}) {
    const auto base = on({}, mib(16));
    write(base, "write -q -P 9 0 16M");
    const auto small = disk();
    shell(
        fmt::format("cd $(dirname {0}) && qemu-img create -q -f qcow2 -F qcow2 -b "
                    "../../guests/{1}/{2}.qcow2 {0} {3}",
                    path_of(small), to_text(base.owner), to_text(base.layer), size));
    write(small, "write -q -P 5 0 64k");
    const auto top = on(small, mib(15));
    write(top, "write -q -P 6 2M 64k");
    const auto wanted = shown(top);
    const auto copy = disk();
    ASSERT_EQ(clone(copy, top, base), "") << message_;
    expect_shows(copy, wanted);
    ASSERT_EQ(merge(top, small, base), "") << message_;
    expect_shows(top, wanted);
  }
}

TEST_F(DirLayers, AHeaderThatLiesLeadsNowhere) {
  const auto volume = on({}, mib(4));
  const auto stand_on = [&](const std::string& name) {
    shell(fmt::format("rm {0} && qemu-img create -q -u -f qcow2 -b '{1}' -F qcow2 {0} 4M",
                      path_of(volume), name));
  };
  for (const auto* name : {"/etc/shadow", "../../../../etc/shadow", "json:{}", "nbd://host/x"}) {
    stand_on(name);
    EXPECT_EQ(parent_failure(volume), "guest-refused") << name;
    EXPECT_EQ(clone(disk(), volume), "guest-refused") << name;
    EXPECT_EQ(merge(volume, numbered_disk(99)), "guest-refused") << name;
  }
  stand_on(fmt::format("../../guests/{}/{}.qcow2", to_text(volume.owner), to_text(volume.layer)));
  EXPECT_EQ(clone(disk(), volume), "object-broken") << "it stands on itself";
  shell("echo nonsense > " + path_of(volume));
  EXPECT_EQ(parent_failure(volume), "object-broken");
  EXPECT_EQ(files().size(), 1u);
}

// What the helper has: the chain to read, one file to write, and no way to anything beside them.
TEST_F(DirLayers, TheHelperReachesNothingElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  make_chain();
  const auto beside = on({}, mib(4));
  const auto copy = disk();
  std::string layers;
  for (const auto& volume : {image_, lower_, middle_, top_, copy}) {
    layers += " " + drivers::dir::path_in_mirror(volume);
  }
  use_program("cat " + path_of(beside) +
              " > /dev/null 2>&1 && echo reads-beside >&2\n"
              "for layer in" +
              layers +
              "; do\n"
              "  test -L $layer || continue\n"
              "  cat $layer > /dev/null || echo cannot-read >&2\n"
              "  (exec 3<> $layer) 2> /dev/null && echo writes:$layer >&2\n"
              "done\n"
              "(echo > more) 2> /dev/null && echo makes-files >&2\n"
              "exit 3\n");
  const auto writes = [](const VolumeRef& volume) {
    return "writes:" + drivers::dir::path_in_mirror(volume) + "\n";
  };
  EXPECT_EQ(clone(copy, top_, image_), "process-failed");
  EXPECT_NE(message_.find("status 3: " + writes(copy)), std::string::npos) << message_;
  EXPECT_EQ(message_.find("writes:"), message_.rfind("writes:")) << message_;
  EXPECT_EQ(message_.find("reads-beside"), std::string::npos) << message_;
  EXPECT_EQ(message_.find("cannot-read"), std::string::npos) << message_;
  EXPECT_EQ(message_.find("makes-files"), std::string::npos) << message_;
  EXPECT_EQ(run_now(daemon_->loop, daemon_->driver->find(copy)), VolumeState::absent);
  EXPECT_EQ(merge(top_, middle_, lower_), "process-failed");
  EXPECT_NE(message_.find("status 3: " + writes(top_)), std::string::npos) << message_;
  EXPECT_EQ(message_.find("writes:"), message_.rfind("writes:")) << message_;
  use_qemu_img();
  EXPECT_EQ(merge(top_, middle_, lower_), "") << message_;
}

TEST_F(DirLayers, CancelledTheyLeaveWhatWasThere) {
  make_chain();
  const auto wanted = shown(top_);
  use_program("echo started\nexec sleep 1000\n");
  const auto before = files();
  const auto copy = disk();
  const auto cancel = [&](Async<void> work, const VolumeRef& volume) {
    daemon_->loop.run([](DirDaemon& d, Async<void> w, std::string sign) -> Async<void> {
      const auto executor = co_await current_executor();
      Scope scope(executor);
      scope.spawn("work", std::move(w));
      while (!std::filesystem::exists(sign) || std::filesystem::file_size(sign) == 0) {
        co_await sleep_for(d.loop.clock(), std::chrono::milliseconds(1));
      }
      scope.cancel(CancelReason::user);
      co_await scope.join();
    }(*daemon_, std::move(work), path_of(volume) + ".import/output"));
  };
  cancel(daemon_->driver->clone(copy, top_, image_, {}), copy);
  EXPECT_EQ(run_now(daemon_->loop, daemon_->driver->find(copy)), VolumeState::absent);
  cancel(daemon_->driver->merge(top_, middle_, lower_, {}), top_);
  EXPECT_EQ(files(), before);
  EXPECT_EQ(parent(top_), middle_.layer);
  expect_shows(top_, wanted);
  struct stat info{};
  ASSERT_EQ(::stat(path_of(top_).c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, ::geteuid()) << "the helper's user has it no more";
}

TEST_F(DirLayers, KilledInTheMiddleAMergeIsRightAndGoesOn) {
  for (const auto* pause : {"0.01", "0.05", "0.1", "0.2", "0.4"}) {
    use_qemu_img();
    const auto image = on({}, mib(128));
    write(image, "write -q -P 1 0 64M");
    const auto lower = on(image, mib(128));
    write(lower, "write -q -P 2 32M 50M");
    const auto top = on(lower, mib(128));
    write(top, "write -q -P 3 40M 64k");
    const auto wanted = shown(top);
    use_program(fmt::format("/usr/bin/qemu-img \"$@\" & sleep {}; kill -9 $!; wait $!\n", pause));
    const auto end = merge(top, lower, image);
    EXPECT_TRUE(end.empty() || end == "process-failed") << end << message_;
    expect_shows(top, wanted);
    EXPECT_TRUE(parent(top) == image.layer || (!end.empty() && parent(top) == lower.layer));
    use_qemu_img();
    EXPECT_EQ(merge(top, lower, image), "") << message_;
    EXPECT_EQ(failure(daemon_->driver->remove(lower)), "");
    expect_shows(top, wanted);
    for (const auto& volume : {top, image}) {
      EXPECT_EQ(failure(daemon_->driver->remove(volume)), "");
    }
    shell("rm " + wanted);
  }
}

// The daemon is killed, and the helper dies with it.
TEST_F(DirLayers, ADaemonThatIsKilledLeavesWhatTheNextOneFinishes) {
  make_chain();
  const auto wanted = shown(top_);
  const auto copy = disk();
  use_program("echo started\nexec sleep 1000\n");
  const auto begin_and_be_killed = [&](const VolumeRef& volume, auto work) {
    const auto sign = path_of(volume) + ".import/output";
    daemon_.reset();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      DirDaemon daemon(place_);
      daemon.loop.run(work(*daemon.driver));
      ::_exit(0);
    }
    std::error_code none;
    for (int i = 0; i < 30'000; ++i) {
      const auto size = std::filesystem::file_size(sign, none);
      if (!none && size > 0) break;
      ::usleep(1000);
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    use_qemu_img();
  };
  begin_and_be_killed(
      copy, [&](ports::VolumeDriver& driver) { return driver.clone(copy, top_, image_, {}); });
  EXPECT_EQ(run_now(daemon_->loop, daemon_->driver->find(copy)), VolumeState::partial);
  EXPECT_EQ(clone(copy, top_, image_), "") << message_;
  expect_shows(copy, wanted);
  use_program("echo started\nexec sleep 1000\n");
  begin_and_be_killed(
      top_, [&](ports::VolumeDriver& driver) { return driver.merge(top_, middle_, lower_, {}); });
  expect_shows(top_, wanted);
  EXPECT_EQ(merge(top_, middle_, lower_), "") << message_;
  expect_shows(top_, wanted);
  EXPECT_EQ(files().size(), 5u);
}

// Compressed layers take little until they are unpacked: that there is no room is known too late.
TEST_F(DirLayers, AFullDiskIsAnErrorThatLeavesWhatWasThere) {
  if (!mount_small("size=8m")) GTEST_SKIP() << "needs root";
  place_.options.reserve = Bytes{0};
  open();
  const auto lower = on({}, mib(64));
  shell(
      fmt::format("truncate -s 64M {0} && qemu-io -f raw -c 'write -q -P 9 0 64M' {0} && "
                  "qemu-img convert -c -f raw -O qcow2 {0} {1}",
                  place_.path("nines"), path_of(lower)));
  const auto top = on(lower, mib(64));
  write(top, "write -q -P 3 1M 64k");
  const auto wanted = shown(top);
  const auto before = files();
  const auto copy = disk();
  EXPECT_EQ(clone(copy, top), "not-enough-space") << message_;
  EXPECT_EQ(files(), before);
  EXPECT_EQ(merge(top, lower), "not-enough-space") << message_;
  EXPECT_EQ(files(), before);
  EXPECT_EQ(parent(top), lower.layer);
  expect_shows(top, wanted);
  ASSERT_TRUE(mount_small("size=200m"));
  EXPECT_EQ(merge(top, lower), "") << message_;
  expect_shows(top, wanted);
  EXPECT_EQ(clone(copy, top), "") << message_;
  expect_shows(copy, wanted);
}

TEST_F(DirLayers, FiftyDeepTheyShowTheSame) {
  std::vector<VolumeRef> chain{on({}, mib(8), DiskFormat::raw)};
  write(chain[0], "write -q -P 255 0 8M");
  for (int i = 1; i <= 50; ++i) {
    chain.push_back(on(chain.back(), mib(8)));
    write(chain.back(), fmt::format("write -q -P {} {}k 68k", i, i * 64));
  }
  const auto wanted = shown(chain.back());
  const auto copy = disk();
  ASSERT_EQ(clone(copy, chain.back(), chain[0]), "") << message_;
  expect_shows(copy, wanted);
  for (const int i : {25, 2, 50}) {
    ASSERT_EQ(merge(chain[i], chain[i - 1], chain[i - 2]), "") << message_;
    EXPECT_EQ(failure(daemon_->driver->remove(chain[i - 1])), "");
    expect_shows(chain.back(), wanted);
  }
}

}  // namespace
}  // namespace ruche::contract
