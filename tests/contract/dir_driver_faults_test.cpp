// What goes wrong below a datastore: a full disk, a directory that hangs, a daemon that is killed
// at any moment, a caller that changes its mind.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "contract/dir_fixture.hpp"
#include "contract/mount.hpp"

namespace ruche::contract {
namespace {

using model::DiskFormat;
using ports::VolumeRef;
using ports::VolumeState;

Async<void> create_volume(ports::VolumeDriver& driver, VolumeRef volume) {
  ports::CreateVolume request{volume, mib(64), {}};
  co_await driver.create(std::move(request));
}

Async<void> import_file(ports::VolumeDriver& driver, VolumeRef volume, std::string path) {
  ports::ImportSource source{
      .path = std::move(path), .declared_format = model::ImageFormat::raw, .size_limit = gib(1)};
  co_await driver.import(volume, std::move(source), {});
}

std::string reason_of(Loop& loop, Async<void> work) {
  try {
    loop.run(std::move(work));
  } catch (const Error& error) {
    return std::string(error.reason_name());
  }
  return "";
}

TEST(DirFaults, AFullDiskIsAnErrorThatLeavesNothing) {
  DirPlace place;
  const Mount small(place.datastore.path, "tmpfs", "size=8m");
  if (!small) GTEST_SKIP() << "needs root";
  place.options.reserve = Bytes{0};
  DirDaemon daemon(place);
  daemon.loop.run(daemon.driver->prepare());
  shell("head -c 6M /dev/urandom > " + place.path("six.raw"));
  // Twice six does not fit: known before anything is written.
  EXPECT_EQ(
      reason_of(daemon.loop, import_file(*daemon.driver, numbered_disk(1), place.path("six.raw"))),
      "not-enough-space");
  // A compressed image that is small until it is unpacked: known when qemu-img says so.
  shell("qemu-img create -q -f raw " + place.path("zeros.raw") +
        " 64M && qemu-io -f raw -c "
        "'write -P 9 0 64M' " +
        place.path("zeros.raw") + " && qemu-img convert -c -O qcow2 -f raw " +
        place.path("zeros.raw") + " " + place.path("packed.qcow2"));
  ports::ImportSource source{.path = place.path("packed.qcow2"), .size_limit = gib(1)};
  try {
    run_now(daemon.loop, daemon.driver->import(numbered_disk(2), std::move(source), {}));
    FAIL() << "it fitted";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::not_enough_space) << error.full_message();
  }
  EXPECT_EQ(files_in(place.datastore.path), std::vector<std::string>{});
  // Full while a new image is written.
  shell("head -c 20M /dev/zero > " + place.datastore.path + "/hog || true");
  EXPECT_EQ(reason_of(daemon.loop, create_volume(*daemon.driver, numbered_disk(3))),
            "not-enough-space");
  EXPECT_EQ(files_in(place.datastore.path), std::vector<std::string>{});
}

TEST(DirFaults, ADirectoryThatHangsIsUnavailableAndHoldsUpNothingElse) {
  DirPlace place;
  const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) GTEST_SKIP() << "needs /dev/fuse";
  // A file system whose server never answers.
  const Mount hanging(place.datastore.path, "fuse",
                      fmt::format("fd={},rootmode=40000,user_id=0,group_id=0", device));
  if (!hanging) {
    ::close(device);
    GTEST_SKIP() << "needs root and FUSE";
  }
  place.options.patience = Duration{100};
  {
    DirDaemon daemon(place);
    auto other = place.datastore;
    other.path = place.path("other");
    auto healthy = daemon.drivers.open(other);
    const auto status = run_now(daemon.loop, daemon.driver->probe());
    EXPECT_EQ(status.state, model::DatastoreState::unavailable);
    EXPECT_NE(status.last_error.find("did not answer"), std::string::npos) << status.last_error;
    const auto before = daemon.loop.clock().now();
    EXPECT_EQ(reason_of(daemon.loop, create_volume(*daemon.driver, numbered_disk(1))),
              "datastore-unavailable");
    EXPECT_LT(daemon.loop.clock().now() - before, std::chrono::milliseconds(90)) << "known at once";
    daemon.loop.run(healthy->prepare());
    daemon.loop.run(create_volume(*healthy, numbered_disk(1)));
    ::close(device);  // the server is gone: what hung fails now
    EXPECT_EQ(run_now(daemon.loop, daemon.driver->probe()).state,
              model::DatastoreState::unavailable);
  }
}

TEST(DirCopies, ShareBlocksWhereTheFileSystemCan) {
  DirPlace place;
  const auto image = place.path("xfs.img");
  std::filesystem::create_directories(place.datastore.path);
  if (::geteuid() != 0 ||
      std::system(("truncate -s 400M " + image + " && mkfs.xfs -q " + image + " && mount -o loop " +
                   image + " " + place.datastore.path + " 2> /dev/null")
                      .c_str()) != 0) {
    GTEST_SKIP() << "needs root, mkfs.xfs and loop devices";
  }
  {
    DirDaemon daemon(place);
    daemon.loop.run(daemon.driver->prepare());
    EXPECT_TRUE(run_now(daemon.loop, daemon.driver->probe()).reflinks);
    shell("head -c 100M /dev/urandom > " + place.datastore.path + "/lost.raw");
    auto raw = numbered_disk(1, DiskFormat::raw);
    const auto copy = numbered_disk(2, DiskFormat::raw);
    ports::ImportSource source{.path = place.datastore.path + "/lost.raw",
                               .declared_format = model::ImageFormat::raw,
                               .size_limit = gib(1)};
    run_now(daemon.loop, daemon.driver->import(raw, std::move(source), {}));
    const auto before = run_now(daemon.loop, daemon.driver->probe());
    daemon.loop.run(daemon.driver->copy(copy, raw, {}));
    const auto after = run_now(daemon.loop, daemon.driver->probe());
    EXPECT_LT(after.used - before.used, mib(10)) << "a copy of 100 MiB takes next to nothing";
    shell("cmp " + daemon.driver->file(raw).path + " " + daemon.driver->file(copy).path);
  }
  shell("umount " + place.datastore.path);
}

TEST(DirCopies, AreFullAndSparseWhereItCannot) {
  DirPlace place;
  const Mount plain(place.datastore.path, "tmpfs", "size=64m");
  if (!plain) GTEST_SKIP() << "needs root";
  DirDaemon daemon(place);
  daemon.loop.run(daemon.driver->prepare());
  EXPECT_FALSE(run_now(daemon.loop, daemon.driver->probe()).reflinks);
  const auto raw = numbered_disk(1, DiskFormat::raw);
  const auto copy = numbered_disk(2, DiskFormat::raw);
  ports::CreateVolume request{raw, gib(1), {}};
  daemon.loop.run(daemon.driver->create(std::move(request)));
  shell("qemu-io -f raw -c 'write -P 5 700M 3M' " + daemon.driver->file(raw).path);
  Bytes last{-1};
  const auto progress = [&](Bytes done, Bytes total) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, gib(1));
    last = done;
  };
  daemon.loop.run(daemon.driver->copy(copy, raw, progress));
  EXPECT_EQ(last, gib(1));
  shell("cmp " + daemon.driver->file(raw).path + " " + daemon.driver->file(copy).path);
}

Async<std::string> second_import(DirDaemon& daemon, VolumeRef volume, const DirPlace& place) {
  try {
    co_await import_file(*daemon.driver, volume, place.path("random.raw"));
  } catch (const Error& error) {
    co_return std::string(error.reason_name());
  }
  co_return "";
}

TEST(DirFaults, ACancelledImportLeavesNothing) {
  DirPlace place;
  shell("head -c 48M /dev/urandom > " + place.path("random.raw"));
  shell("mkdir -m 755 " + place.path("tools") + " && chmod 755 " + place.directory);
  // A conversion that would never end.
  std::ofstream(place.path("tools/qemu-img"))
      << "#!/bin/sh\necho started > target\nexec sleep 1000\n";
  shell("chmod 755 " + place.path("tools/qemu-img"));
  place.options.qemu_img = place.path("tools/qemu-img");
  DirDaemon daemon(place);
  daemon.loop.run(daemon.driver->prepare());
  const auto volume = numbered_disk(1);
  for (const bool during_conversion : {false, true}) {
    daemon.loop.run([](DirDaemon& d, DirPlace& p, VolumeRef v, bool convert) -> Async<void> {
      const auto executor = co_await current_executor();
      Scope scope(executor);
      scope.spawn("import", import_file(*d.driver, v, p.path("random.raw")));
      const auto staging = d.driver->file(v).path + ".import";
      const auto sign = staging + (convert ? "/target" : "/source");
      while (!std::filesystem::exists(sign))
        co_await sleep_for(d.loop.clock(), std::chrono::milliseconds(1));
      const auto found = co_await d.driver->find(v);
      EXPECT_EQ(found, VolumeState::partial);
      const auto second = co_await second_import(d, v, p);
      EXPECT_EQ(second, "in-use");
      scope.cancel(CancelReason::user);
      co_await scope.join();
    }(daemon, place, volume, during_conversion));
    EXPECT_EQ(run_now(daemon.loop, daemon.driver->find(volume)), VolumeState::absent);
    EXPECT_EQ(files_in(place.datastore.path), std::vector<std::string>{});
  }
  EXPECT_EQ(shell("pgrep -f 'sleep 1000' -u " + std::to_string(kHelperUser) + " || true"), "");
}

// A daemon in a process of its own, killed as soon as the sign (a piece of a file's path)
// is seen. It makes volume 1, then volumes 2 to 39 beside the import of volume 200.
void live_and_be_killed(const DirPlace& place, const std::string& sign) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    DirDaemon daemon(place);
    daemon.loop.run([](DirDaemon& d, const DirPlace& p) -> Async<void> {
      co_await create_volume(*d.driver, numbered_disk(1));
      std::vector<Async<void>> works;
      for (std::uint8_t i = 2; i < 20; ++i) {
        works.push_back(create_volume(*d.driver, numbered_disk(i)));
      }
      works.push_back(import_file(*d.driver, numbered_disk(200), p.path("small.raw")));
      for (std::uint8_t i = 20; i < 40; ++i) {
        works.push_back(create_volume(*d.driver, numbered_disk(i)));
      }
      co_await all(std::move(works));
    }(daemon, place));
    ::_exit(0);
  }
  const auto seen = [&] {
    for (const auto& file : files_in(place.datastore.path)) {
      if (file.find(sign) != std::string::npos) return true;
    }
    return false;
  };
  for (int i = 0; i < 200'000 && !seen() && ::kill(child, 0) == 0; ++i) {
    if (::waitpid(child, nullptr, WNOHANG) == child) return;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

void survive(const DirPlace& place, int& complete, int& partial) {
  DirDaemon daemon(place);
  const auto look = [&](const VolumeRef& volume) {
    const auto state = run_now(daemon.loop, daemon.driver->find(volume));
    complete += state == VolumeState::ready;
    partial += state == VolumeState::partial;
  };
  for (std::uint8_t i = 1; i < 40; ++i) {
    look(numbered_disk(i));
    daemon.loop.run(create_volume(*daemon.driver, numbered_disk(i)));
  }
  const auto imported = numbered_disk(200);
  look(imported);
  daemon.loop.run(import_file(*daemon.driver, imported, place.path("small.raw")));
  EXPECT_EQ(files_in(place.datastore.path).size(), 41u) << "39 volumes, an import, its checksum";
  shell("qemu-img compare -f raw -F qcow2 " + place.path("small.raw") + " " +
        daemon.driver->file(imported).path);
  shell("qemu-img check -q " + daemon.driver->file(numbered_disk(19)).path);
}

TEST(DirFaults, KilledAtAnyMomentItTellsTheTruthAndGoesOn) {
  const auto layer = [](std::uint8_t number) { return to_text(numbered_disk(number).layer); };
  int complete = 0;
  int partial = 0;
  for (const auto& sign :
       {std::string("guests/"), layer(1) + ".qcow2.partial", layer(1) + ".qcow2",
        layer(2) + ".qcow2.partial", layer(19) + ".qcow2", layer(200) + ".qcow2.import/source",
        layer(200) + ".qcow2.import/errors", layer(200) + ".qcow2.import/target",
        layer(200) + ".qcow2.checksum", layer(200) + ".qcow2"}) {
    DirPlace place;
    shell("head -c 4M /dev/urandom > " + place.path("small.raw"));
    {
      DirDaemon daemon(place);
      daemon.loop.run(daemon.driver->prepare());
    }
    live_and_be_killed(place, sign);
    survive(place, complete, partial);
  }
  EXPECT_GT(complete, 0);
  EXPECT_GT(partial, 0);
}

}  // namespace
}  // namespace ruche::contract
