// Real images, kind and hostile, through the dir driver's import; and our own images under
// qemu-img's eyes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "contract/dir_fixture.hpp"
#include "drivers/dir/import.hpp"

namespace ruche::contract {
namespace {

using model::DiskFormat;
using model::ImageFormat;
using ports::VolumeRef;
using ports::VolumeState;

class DirImages : public testing::Test {
 protected:
  DirImages() : random_(seeded_random(7)), daemon_(place_) {
    daemon_.loop.run(daemon_.driver->prepare());
  }
  VolumeRef disk(DiskFormat format = DiskFormat::qcow2) {
    VolumeRef volume;
    volume.owner = make_uuid7({1'800'000'000'000}, *random_);
    volume.layer = {make_uuid7({1'800'000'000'000}, *random_)};
    volume.format = format;
    return volume;
  }
  std::string path_of(const VolumeRef& volume) { return daemon_.driver->file(volume).path; }
  void create(const VolumeRef& volume, Bytes size, std::optional<VolumeRef> parent = {}) {
    ports::CreateVolume request{volume, size, parent};
    daemon_.loop.run(daemon_.driver->create(std::move(request)));
  }
  // "" or "reason: message".
  std::string import(const VolumeRef& volume, const std::string& name,
                     std::optional<ImageFormat> declared = {}) {
    ports::ImportSource source{
        .path = place_.path(name), .declared_format = declared, .size_limit = gib(1)};
    try {
      result_ = run_now(daemon_.loop, daemon_.driver->import(volume, std::move(source), {}));
    } catch (const Error& error) {
      return std::string(error.reason_name()) + ": " + error.full_message();
    }
    return "";
  }
  std::string make(const std::string& command) {
    return shell("cd " + place_.directory + " && " + command);
  }
  std::vector<std::string> files() { return files_in(place_.datastore.path); }

  std::unique_ptr<Random> random_;
  DirPlace place_;
  DirDaemon daemon_;
  ports::ImportResult result_;
};

TEST_F(DirImages, OurOwnImagesPleaseQemu) {
  const auto base = disk();
  const auto overlay = disk();
  const auto raw = disk(DiskFormat::raw);
  const auto on_raw = disk();
  create(base, gib(10));
  create(overlay, gib(20), base);
  create(raw, mib(5));
  create(on_raw, mib(5), raw);
  for (const auto& volume : {base, overlay, on_raw}) {
    EXPECT_NE(shell("qemu-img check " + path_of(volume)).find("No errors"), std::string::npos);
    shell("qemu-io -c 'write -P 3 64k 4M' -c 'read -P 3 64k 4M' " + path_of(volume));
    EXPECT_NE(shell("qemu-img check " + path_of(volume)).find("No errors"), std::string::npos);
  }
  const auto info = shell("qemu-img info -U --output=json " + path_of(overlay));
  EXPECT_NE(info.find("\"virtual-size\": 21474836480"), std::string::npos) << info;
  EXPECT_NE(info.find("\"backing-filename-format\": \"qcow2\""), std::string::npos) << info;
  EXPECT_NE(info.find("\"full-backing-filename\": \"" + place_.datastore.path), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(path_of(raw)), 5u << 20);
  // The datastore can be moved: the link between layers is relative.
  std::filesystem::rename(place_.datastore.path, place_.path("moved"));
  const auto moved = shell("qemu-img info --backing-chain " + place_.path("moved") +
                           path_of(overlay).substr(place_.datastore.path.size()));
  EXPECT_NE(moved.find("10 GiB"), std::string::npos) << moved;
}

TEST_F(DirImages, AllKindsOfQcow2AndRawArriveUnchanged) {
  make(
      "qemu-img create -q -f raw plain.raw 40M && "
      "for i in 1 5 17 33; do qemu-io -f raw -c \"write -P $i ${i}M 700k\" plain.raw; done");
  const std::vector<std::pair<std::string, std::string>> kinds{
      {"old", "-o compat=0.10"},
      {"small-clusters", "-o cluster_size=512"},
      {"large-clusters", "-o cluster_size=2M"},
      {"compressed", "-c"},
      {"zstd", "-c -o compression_type=zstd"},
      {"extended", "-o extended_l2=on,cluster_size=128k"},
      {"narrow", "-o refcount_bits=1"},
      {"wide", "-o refcount_bits=64"},
      {"lazy", "-o lazy_refcounts=on"},
      {"preallocated", "-o preallocation=metadata"}};
  for (const auto& [name, options] : kinds) {
    make("qemu-img convert -f raw -O qcow2 " + options + " plain.raw " + name);
    const auto volume = disk();
    ASSERT_EQ(import(volume, name), "") << name;
    EXPECT_EQ(result_.virtual_size, mib(40)) << name;
    EXPECT_EQ(result_.checksum, "sha256:" + make("sha256sum " + name).substr(0, 64)) << name;
    make("qemu-img compare -f raw -F qcow2 plain.raw " + path_of(volume));
    EXPECT_NE(shell("qemu-img check " + path_of(volume)).find("No errors"), std::string::npos);
  }
  const auto raw = disk();
  ASSERT_EQ(import(raw, "plain.raw", ImageFormat::raw), "");
  make("qemu-img compare -f raw -F qcow2 plain.raw " + path_of(raw));
  make("qemu-img snapshot -c one old && qemu-img snapshot -c two old");
  EXPECT_EQ(import(disk(), "old"), "") << "the present state is taken, its snapshots are not";
}

// Every format that qemu-img writes in one file, with data, with the last block, and empty.
TEST_F(DirImages, ForeignFormatsArriveUnchanged) {
  make(
      "qemu-img create -q -f raw plain.raw 41M && "
      "for i in 1 5 17 33; do qemu-io -f raw -c \"write -P $i ${i}M 700k\" plain.raw; done && "
      "qemu-io -f raw -c 'write -P 9 40M 1M' plain.raw && qemu-img create -q -f raw none.raw 8M");
  const std::vector<std::pair<std::string, std::string>> kinds{
      {"vmdk", "-o subformat=monolithicSparse"},
      {"vmdk", "-o subformat=streamOptimized"},
      {"vmdk", "-o subformat=monolithicSparse,zeroed_grain=on"},
      {"vpc", "-o subformat=dynamic"},
      {"vpc", "-o subformat=dynamic,force_size=on"},
      {"vpc", "-o subformat=fixed,force_size=on"},
      {"vhdx", "-o subformat=dynamic"},
      {"vhdx", "-o subformat=fixed,block_size=1M"},
      {"vdi", ""},
      {"vdi", "-o static=on"}};
  for (const auto& [format, options] : kinds) {
    std::vector<std::string> sources{"plain.raw"};
    if (options.find(',') == options.npos) sources.emplace_back("none.raw");
    for (const auto& raw : sources) {
      make("rm -f foreign && qemu-img convert -f raw -O " + format + " " + options + " " + raw +
           " foreign");
      const auto volume = disk();
      ASSERT_EQ(import(volume, "foreign"), "") << format << " " << options;
      // Without force_size, VHD rounds the disk up to whole cylinders; what is more reads as zeros.
      make("qemu-img compare -f raw -F qcow2 " + raw + " " + path_of(volume));
      EXPECT_EQ(result_.checksum, "sha256:" + make("sha256sum foreign").substr(0, 64));
    }
  }
}

TEST_F(DirImages, AnIsoIsKeptAsItIs) {
  make(
      "python3 -c \"import struct; d=bytearray(40*2048); "
      "d[0x8000:0x8007]=b'\\1CD001\\1'; struct.pack_into('<I', d, 0x8050, 40); "
      "struct.pack_into('>I', d, 0x8054, 40); struct.pack_into('<H', d, 0x8080, 2048); "
      "struct.pack_into('>H', d, 0x8082, 2048); d[0x8800:0x8807]=b'\\xffCD001\\1'; "
      "open('cd.iso','wb').write(d)\"");
  ports::ImportSource source{.path = place_.path("cd.iso"), .size_limit = gib(1)};
  EXPECT_EQ(run_now(daemon_.loop, daemon_.driver->inspect(source)), ImageFormat::iso);
  const auto volume = disk(DiskFormat::raw);
  ASSERT_EQ(import(volume, "cd.iso"), "");
  make("cmp cd.iso " + path_of(volume));
  EXPECT_TRUE(import(disk(), "cd.iso").starts_with("format-mismatch"));
}

// What came in is not copied a second time, and stays for another try when it is refused.
TEST_F(DirImages, WhatCameInIsLinkedNotCopied) {
  make("qemu-img create -q -f qcow2 good 64M && qemu-io -c 'write -P 3 0 8M' good");
  const Uuid id = make_uuid7({1'800'000'000'000}, *random_);
  std::ifstream file(place_.path("good"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  daemon_.loop.run(daemon_.driver->incoming().append(id, {}, bytes));
  const auto path = run_now(daemon_.loop, daemon_.driver->incoming().open(id)).path;
  ports::ImportSource source{.incoming = id, .checksum = "sha256:" + std::string(64, '0')};
  const auto volume = disk();
  try {
    run_now(daemon_.loop, daemon_.driver->import(volume, source, {}));
    FAIL() << "another checksum was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::checksum_mismatch);
  }
  EXPECT_EQ(std::filesystem::hard_link_count(path), 1u);
  source.checksum = "sha256:" + make("sha256sum good").substr(0, 64);
  run_now(daemon_.loop, daemon_.driver->import(volume, source, {}));
  make("qemu-img compare good " + path_of(volume));
  EXPECT_EQ(std::filesystem::hard_link_count(path), 1u);
  make("cmp good " + path);
}

TEST_F(DirImages, HostileImagesAreRefusedAndLeaveNothing) {
  make("qemu-img create -q -f qcow2 -u -b /etc/shadow -F raw backing 64M");
  make("qemu-img create -q -f qcow2 -o data_file=outside.raw,data_file_raw=on data 64M");
  make(
      "qemu-img create -q -f qcow2 --object secret,id=s,data=x "
      "-o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 luks 16M");
  make(
      "qemu-img create -q -f qcow2 huge-l1 64M && printf '\\377\\377\\377\\377' | "
      "dd of=huge-l1 bs=1 seek=36 conv=notrunc status=none");
  make(
      "qemu-img create -q -f qcow2 corrupt 64M && printf '\\2' | "
      "dd of=corrupt bs=1 seek=79 conv=notrunc status=none");
  make(
      "qemu-img create -q -f qcow2 cut 64M && qemu-io -c 'write -P 7 0 32M' cut && "
      "truncate -s 20M cut");
  make("qemu-img create -q -f qcow2 head-only 64M && truncate -s 100 head-only");
  make("qemu-img create -q -f qcow2 large 2G");
  make(
      "qemu-img create -q -f vmdk -o subformat=monolithicFlat flat.vmdk 64M && "
      "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse split.vmdk 64M && "
      "qemu-img create -q -f vmdk base.vmdk 64M && "
      "qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk && "
      "printf 'KDMV' > short.vmdk && "
      "qemu-img create -q -f vpc cut.vhd 64M && truncate -s -512 cut.vhd && "
      "qemu-img create -q -f vhdx cut.vhdx 64M && truncate -s 2M cut.vhdx && "
      "qemu-img create -q -f vdi cut.vdi 64M && truncate -s 600 cut.vdi && "
      "qemu-img create -q -f qed disk.qed 64M && qemu-img create -q -f parallels disk.hds 64M && "
      "qemu-img create -q -f qcow disk.qcow 64M");
  make("mkfifo pipe; mkdir folder; : > empty");
  const std::vector<std::pair<std::string, std::string>> hostile{
      {"backing", "image-refused: the image stands on a backing file"},
      {"data", "image-refused: the qcow2 header keeps its data in another file"},
      {"luks", "image-refused: the qcow2 header says that the image is encrypted"},
      {"huge-l1", "image-refused: the qcow2 header has an L1 table of 4294967295 entries"},
      {"corrupt", "image-refused: the qcow2 header marks the image as corrupt"},
      {"cut", "image-refused: the qcow2 image refers to byte"},
      {"head-only", "image-refused: the qcow2 header is cut short"},
      {"large", "image-refused: the disk in the image is larger than 1"},
      {"flat.vmdk", "image-refused: the VMDK image is only a descriptor"},
      {"split.vmdk", "image-refused: the VMDK image is only a descriptor"},
      {"child.vmdk", "image-refused: the VMDK image stands on a parent"},
      {"short.vmdk", "image-refused: the VMDK image is shorter"},
      {"cut.vhd", "image-refused: the VHD image has no footer"},
      {"cut.vhdx", "image-refused: the VHDX image "},
      {"cut.vdi", "image-refused: the VDI image "},
      {"disk.qed", "image-refused: QED"},
      {"disk.hds", "image-refused: Parallels"},
      {"disk.qcow", "image-refused: qcow (version 1)"},
      {"pipe", "image-refused: " + place_.path("pipe") + " is not a regular file"},
      {"folder", "image-refused: "},
      {"empty", "image-refused: "}};
  for (const auto& [name, wanted] : hostile) {
    const auto volume = disk();
    const auto said = import(volume, name);
    EXPECT_TRUE(said.starts_with(wanted)) << name << " → " << said;
    if (std::filesystem::is_regular_file(place_.path(name))) {
      EXPECT_NE(import(volume, name, ImageFormat::raw), name == "empty" ? "x" : "") << name;
    }
    EXPECT_EQ(run_now(daemon_.loop, daemon_.driver->find(volume)), VolumeState::absent);
  }
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(DirImages, ASourceThatAGuestWritesIsRefused) {
  make("qemu-img create -q -f qcow2 busy 64M");
  const int file = ::open(place_.path("busy").c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock{};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 101;
  lock.l_len = 1;
  ASSERT_EQ(::fcntl(file, F_OFD_SETLK, &lock), 0);
  EXPECT_TRUE(import(disk(), "busy").starts_with("in-use: "));
  ::close(file);
  EXPECT_EQ(import(disk(), "busy"), "");
}

// In qemu-img's place stands a program that tries what a subverted one would.
TEST_F(DirImages, TheConverterIsConfined) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  make("qemu-img create -q -f qcow2 good 64M");
  make(
      "mkdir -m 755 tools && printf '%s\\n' '#!/bin/sh' 'echo user $(id -u) $(id -G) >&2' "
      "'cat /etc/shadow >&2 && echo read-shadow >&2' "
      "'ls / >/dev/null; touch ../escaped 2>/dev/null && echo wrote-outside >&2' "
      "'kill -0 $PPID 2>/dev/null && echo signalled >&2' "
      "'ls -l /proc/self/fd >&2' 'exit 1' > tools/qemu-img && chmod 755 tools/qemu-img");
  shell("chmod 755 " + place_.directory);
  place_.options.qemu_img = place_.path("tools/qemu-img");
  DirDaemon daemon(place_);
  ports::ImportSource source{.path = place_.path("good"), .size_limit = gib(1)};
  std::string words;
  try {
    run_now(daemon.loop, daemon.driver->import(disk(), std::move(source), {}));
  } catch (const Error& error) {
    words = error.full_message();
  }
  EXPECT_NE(words.find(fmt::format("user {0} {0}\n", kHelperUser)), std::string::npos) << words;
  EXPECT_EQ(words.find("read-shadow"), std::string::npos) << words;
  EXPECT_EQ(words.find("wrote-outside"), std::string::npos) << words;
  EXPECT_EQ(words.find("signalled"), std::string::npos) << words;
  EXPECT_EQ(words.find("socket:"), std::string::npos) << words;
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(DirImages, WhatTheConverterWroteIsJudgedAgain) {
  make("qemu-img create -q -f qcow2 good 64M && mkdir -m 755 tools");
  shell("chmod 755 " + place_.directory);
  const std::vector<std::string> lies{
      "qemu-img create -q -f qcow2 target 65M",
      "qemu-img create -q -f qcow2 -u -b /etc/shadow -F raw target 64M",
      "ln -s /etc/shadow target",
      "ln source target",
      "mkdir target",
      "true"};
  for (const auto& lie : lies) {
    std::ofstream(place_.path("tools/qemu-img")) << "#!/bin/sh\nPATH=/usr/bin:/bin\n"
                                                 << lie << "\n";
    shell("chmod 755 " + place_.path("tools/qemu-img"));
    place_.options.qemu_img = place_.path("tools/qemu-img");
    DirDaemon daemon(place_);
    ports::ImportSource source{.path = place_.path("good"), .size_limit = gib(1)};
    EXPECT_THROW(run_now(daemon.loop, daemon.driver->import(disk(), std::move(source), {})), Error)
        << lie;
    EXPECT_EQ(files(), std::vector<std::string>{}) << lie;
  }
}

TEST(ConvertArguments, NameEveryFormatAndNoOtherFile) {
  EXPECT_EQ(
      drivers::dir::convert_arguments("/usr/bin/qemu-img", ImageFormat::qcow2, DiskFormat::qcow2),
      (std::vector<std::string>{"/usr/bin/qemu-img", "convert", "-p", "-t", "writeback", "-O",
                                "qcow2", "-o", "compat=1.1,cluster_size=65536",
                                R"(json:{"driver":"qcow2","backing":null,"file":{"driver":"file",)"
                                R"("filename":"source","locking":"off"}})",
                                "target"}));
  EXPECT_EQ(drivers::dir::last_percentage("    (0.00/100%)\r    (12.50/100%)\r"), 12.5);
  EXPECT_EQ(drivers::dir::last_percentage("    (12.50/100%)\r    (13."), 12.5);
  EXPECT_EQ(drivers::dir::last_percentage("(nan/100%)"), 0);
  EXPECT_EQ(drivers::dir::last_percentage(""), 0);
}

}  // namespace
}  // namespace ruche::contract
