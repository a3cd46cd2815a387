// The pure parts: capabilities, accelerator, record, serial text.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "base/loop.hpp"
#include "drivers/qemu/accelerator.hpp"
#include "drivers/qemu/boot_files.hpp"
#include "drivers/qemu/capabilities.hpp"
#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/machine.hpp"
#include "drivers/qemu/runtime_record.hpp"
#include "drivers/qemu/serial_line.hpp"
#include "drivers/qemu/serial_text.hpp"
#include "drivers/qemu/write_tracking.hpp"

namespace ruche::drivers::qemu {
namespace {

const model::GuestId kGuest{*parse_uuid("01890000-0000-7000-8000-000000000001")};

TEST(Version, needs_ten) {
  const auto version = parse_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n");
  ASSERT_TRUE(version);
  EXPECT_EQ(to_text(*version), "10.0.2");
  EXPECT_EQ(parse_version("QEMU emulator version 7.2.1\n").error().reason(), Reason::host_cannot);
  EXPECT_FALSE(parse_version("qemu: not found"));
  EXPECT_FALSE(parse_version("QEMU emulator version"));
}

TEST(Machines, newest_first_by_number) {
  const auto machines = parse_machines(
      "Supported machines are:\n"
      "pc-q35-9.2           Standard PC (Q35 + ICH9, 2009)\n"
      "pc-q35-2.12          Standard PC (Q35 + ICH9, 2009) (deprecated)\n"
      "q35                  Standard PC (alias of pc-q35-10.0)\n"
      "pc-q35-10.0          Standard PC (Q35 + ICH9, 2009)\n"
      "pc-i440fx-10.0       Standard PC\n");
  EXPECT_EQ(machines, (std::vector<std::string>{"pc-q35-10.0", "pc-q35-9.2"}));
}

TEST(DeviceModels, are_the_names) {
  const auto models = parse_device_models(
      "Controller/Bridge/Hub devices:\n"
      "name \"pcie-root-port\", bus PCI, desc \"PCI Express Root Port\"\n"
      "\n"
      "Storage devices:\n"
      "name \"scsi-hd\", bus SCSI, desc \"virtual SCSI disk\"\n"
      "name \"486-x86_64-cpu\"\n"
      "name \"cut");
  EXPECT_EQ(models, (std::set<std::string>{"486-x86_64-cpu", "cut", "pcie-root-port", "scsi-hd"}));
  EXPECT_TRUE(parse_device_models("").empty());
}

TEST(Nodes, are_called_after_their_files) {
  const auto prefix = node_prefix(model::DiskBus::virtio_blk, 3);
  // printf %s /d/one.qcow2 | sha256sum
  EXPECT_EQ(node_name(prefix, "/d/one.qcow2"), "v3-6358fd71e617");
  EXPECT_NE(node_name(prefix, "/d/one.qcow2"), node_name(prefix, "/d/two.qcow2"));
  const auto longest = node_prefix(model::DiskBus::virtio_scsi, 4294967295);
  EXPECT_LE(file_node(node_name(longest, "/d/one.qcow2")).size(), 31U);
}

TEST(WriteTracking, a_host_without_the_device_says_so) {
  if (::geteuid() != 0) GTEST_SKIP() << "the kernel may let a user do without the device";
  const auto why = why_no_write_tracking("/nonexistent/userfaultfd");
  EXPECT_NE(why.find("/nonexistent/userfaultfd"), why.npos) << why;
}

TEST(Accelerator, needs_the_device_and_the_processor) {
  using model::Accelerator;
  EXPECT_EQ(choose_accelerator({true, "", true}).accelerator, Accelerator::kvm);
  EXPECT_EQ(choose_accelerator({true, "", false}).accelerator, Accelerator::tcg);
  EXPECT_EQ(choose_accelerator({false, "No such file or directory", true}).reason,
            "the processor offers virtualization, but /dev/kvm: No such file or directory");
  EXPECT_EQ(choose_accelerator({false, "", false}).accelerator, Accelerator::tcg);
  EXPECT_TRUE(shows_virtualization("model name: vmx\nflags : fpu svm\n"));
  EXPECT_FALSE(shows_virtualization("model name: vmx\nflags : fpu\n"));
  EXPECT_FALSE(shows_virtualization("vmx flags : x\nflags : fpu vmxx\n"));
}

RuntimeRecord sample() {
  RuntimeRecord record;
  record.guest = kGuest;
  record.name = "web1";
  record.epoch = 3;
  record.pid = 4711;
  record.start_ticks = 99;
  record.boot_id = "boot";
  record.argv = {"qemu", "-S"};
  record.disks = {
      {"disk0", "v3l", {{"/a", model::DiskFormat::qcow2}, {"/b", model::DiskFormat::raw}}}};
  return record;
}

TEST(PauseCause, is_read_from_the_run_state) {
  EXPECT_EQ(pause_cause("running"), std::nullopt);
  EXPECT_EQ(pause_cause("paused"), model::PauseCause::asked);
  EXPECT_EQ(pause_cause("postmigrate"), model::PauseCause::asked);
  EXPECT_EQ(pause_cause("io-error"), model::PauseCause::no_space);
  EXPECT_EQ(pause_cause("guest-panicked"), model::PauseCause::panic);
  EXPECT_EQ(pause_cause("watchdog"), model::PauseCause::watchdog);
  EXPECT_EQ(pause_cause("internal-error"), model::PauseCause::other);
}

TEST(RuntimeRecord, comes_back_as_it_went) {
  const auto read = parse_record(json::encode(sample()), kGuest);
  ASSERT_TRUE(read) << read.error().full_message();
  EXPECT_EQ(read->process(), (ports::ProcessIdentity{4711, 99, "boot"}));
  EXPECT_EQ(read->disks[0].chain[1].path, "/b");
}

// Written before guests had several.
TEST(RuntimeRecord, of_an_earlier_launch_has_one_serial_port) {
  auto record = sample();
  record.serial = true;
  record.serial_ports = 2;
  auto text = json::encode(record);
  EXPECT_EQ(parse_record(text, kGuest)->serial_ports, 2u);
  const std::string field = R"("serial_ports":2,)";
  ASSERT_NE(text.find(field), std::string::npos) << text;
  text.erase(text.find(field), field.size());
  EXPECT_EQ(parse_record(text, kGuest)->serial_ports, 1u);
}

TEST(RuntimeRecord, is_read_as_hostile) {
  auto other = sample();
  other.guest = {*parse_uuid("01890000-0000-7000-8000-000000000002")};
  auto process_one = sample();
  process_one.pid = 1;
  auto newer = sample();
  newer.format = 2;
  auto many_ports = sample();
  many_ports.serial_ports = 1'000'000;
  for (const auto& text :
       {std::string(), std::string("{}"), std::string("[1]"), json::encode(other),
        json::encode(process_one), json::encode(newer), json::encode(many_ports),
        std::string(R"({"format":1,"surprise":true})")}) {
    const auto read = parse_record(text, kGuest);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().reason(), Reason::document_unreadable);
  }
}

class Directory : public testing::Test {
 protected:
  Directory() {
    char name[] = "/tmp/ruche-guest-XXXXXX";
    root = ::mkdtemp(name);
  }
  ~Directory() override { std::filesystem::remove_all(root); }
  std::string root;
};

TEST_F(Directory, keeps_a_record_and_finds_its_guest) {
  GuestDirectory place(root, kGuest);
  EXPECT_FALSE(read_record(place, kGuest));
  place.create();
  EXPECT_THROW(place.create(), Error);
  write_record(place, sample());
  EXPECT_EQ(read_record(place, kGuest)->pid, 4711);
  std::filesystem::create_directory(root + "/not-a-guest");
  EXPECT_EQ(list_guest_directories(root), std::vector<model::GuestId>{kGuest});
  EXPECT_TRUE(list_guest_directories(root + "/none").empty());
  place.remove();
  place.remove();
  EXPECT_FALSE(place.exists());
}

TEST_F(Directory, refuses_links_and_giants) {
  GuestDirectory place(root, kGuest);
  place.create();
  std::ofstream(root + "/elsewhere") << json::encode(sample());
  std::filesystem::create_symlink(root + "/elsewhere", place.file(kRecordFile));
  EXPECT_THROW(read_record(place, kGuest), Error);
  std::filesystem::remove(place.file(kRecordFile));
  std::ofstream(place.file(kRecordFile)) << "{}";
  std::filesystem::resize_file(place.file(kRecordFile), 2 << 20);
  EXPECT_THROW(read_record(place, kGuest), Error);
}

TEST_F(Directory, listens_below_a_path_of_any_length) {
  const auto deep = root + "/" + std::string(120, 'd');
  std::filesystem::create_directory(deep);
  GuestDirectory place(deep, kGuest);
  place.create();
  EXPECT_TRUE(place.listen("qmp").open());
  EXPECT_TRUE(std::filesystem::is_socket(place.file("qmp")));
}

TEST_F(Directory, reads_the_end_of_a_log_and_trims_it) {
  GuestDirectory place(root, kGuest);
  place.create();
  EXPECT_EQ(place.tail(kErrorFile, 10), "");
  std::ofstream(place.file(kErrorFile)) << "0123456789abc";
  EXPECT_EQ(place.tail(kErrorFile, 3), "abc");
  place.trim(kErrorFile, 100);
  EXPECT_EQ(place.tail(kErrorFile, 100), "0123456789abc");
  place.trim(kErrorFile, 5);
  EXPECT_EQ(place.tail(kErrorFile, 100), "");
}

TEST_F(Directory, shares_sealed_copies_of_boot_files) {
  const auto path = root + "/kernel";
  std::ofstream(path) << "kernel";
  BootFiles files;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto inode = [](const Descriptor& descriptor) {
    struct stat info{};
    ::fstat(descriptor.get(), &info);
    return info.st_ino;
  };
  const auto first = files.share(file, path);
  const auto second = files.share(file, path);
  EXPECT_EQ(inode(first), inode(second));
  char content[16] = {};
  EXPECT_EQ(::pread(second.get(), content, sizeof content, 0), 6);
  EXPECT_EQ(std::string(content), "kernel");
  EXPECT_LT(::pwrite(first.get(), "x", 1, 0), 0);
  std::ofstream(path, std::ios::app) << "2";
  EXPECT_NE(inode(files.share(file, path)), inode(first));
}

TEST(Overlap, is_the_longest_suffix_that_is_a_prefix) {
  EXPECT_EQ(overlap("", "abc"), 0U);
  EXPECT_EQ(overlap("abc", ""), 0U);
  EXPECT_EQ(overlap("xxabc", "abcyy"), 3U);
  EXPECT_EQ(overlap("abab", "ababab"), 4U);
  EXPECT_EQ(overlap("tick 1\ntick 2\n", "tick 2\ntick 3\n"), 7U);
  EXPECT_EQ(overlap("abc", "xyz"), 0U);
  EXPECT_EQ(overlap("aab", "ab"), 2U);
  EXPECT_EQ(overlap(std::string(1 << 16, 'a'), std::string(1 << 16, 'a')), 1U << 16);
}

TEST(WatcherTest, loses_the_oldest_and_says_so) {
  Loop loop;
  Watcher watcher;
  const std::string block(100 * 1024, 'x');
  watcher.push("old", 5);
  for (int i = 0; i < 4; ++i) watcher.push(block, 0);
  watcher.end();
  auto first = run_now(loop, watcher.read());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->dropped, 5U + 3U + 2U * block.size());
  EXPECT_EQ(run_now(loop, watcher.read())->dropped, 0U);
  EXPECT_FALSE(run_now(loop, watcher.read()));
}

}  // namespace
}  // namespace ruche::drivers::qemu
