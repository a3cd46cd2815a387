// Files of guests as an enemy would leave them on a datastore.
#include <gtest/gtest.h>

#include "contract/dir_fixture.hpp"
#include "drivers/dir/found.hpp"

namespace ruche::contract {
namespace {

using drivers::dir::layer_named;
using ports::VolumeRef;

class DirFound : public testing::Test {
 protected:
  DirFound() : daemon_(place_) {
    daemon_.loop.run(daemon_.driver->prepare());
    volume_ = numbered_disk(1);
    guest_ = {volume_.owner};
    daemon_.loop.run(daemon_.driver->write_note(guest_, "guest.json", "{}"));
    folder_ = place_.datastore.path + "/guests/" + to_text(volume_.owner);
    file_ = daemon_.driver->file(volume_).path;
  }
  // "" or "reason: message".
  std::string examine() {
    try {
      run_now(daemon_.loop, daemon_.driver->found().examine(volume_));
    } catch (const Error& error) {
      return std::string(error.reason_name()) + ": " + error.full_message();
    }
    return "";
  }
  std::string read_note() {
    try {
      run_now(daemon_.loop, daemon_.driver->found().read_note(guest_, "guest.json"));
    } catch (const Error& error) {
      return std::string(error.reason_name()) + ": " + error.full_message();
    }
    return "";
  }
  // A disk that names this backing file.
  std::string examine_on(const std::string& backing) {
    shell("rm -f " + file_ + " && qemu-img create -q -u -f qcow2 -b '" + backing + "' -F qcow2 " +
          file_ + " 64M");
    return examine();
  }

  DirPlace place_;
  DirDaemon daemon_;
  VolumeRef volume_;
  model::GuestId guest_;
  std::string folder_;
  std::string file_;
};

TEST_F(DirFound, NothingBesideTheLayersOfTheDatastoreIsFollowed) {
  const auto owner = to_text(volume_.owner);
  const auto layer = to_text(numbered_disk(2).layer);
  EXPECT_EQ(examine_on("../../images/" + owner + "/" + layer + ".qcow2"), "");
  for (const auto& name :
       {std::string("/etc/shadow"), std::string("../../../../etc/shadow"),
        "../../images/" + owner + "/../" + layer + ".qcow2",
        "../../images/" + owner + "/" + layer + ".qcow2.partial",
        "../../images/" + owner + "/" + layer + ".kernel",
        "../../Images/" + owner + "/" + layer + ".qcow2",
        "/" + place_.datastore.path + "/images/" + owner + "/" + layer + ".qcow2",
        std::string("json:{\"driver\":\"raw\"}"), std::string("nbd://192.0.2.1/disk")}) {
    const auto refusal = examine_on(name);
    EXPECT_TRUE(refusal.starts_with("guest-refused: ")) << name << " gave " << refusal;
  }
}

TEST_F(DirFound, WhatIsNoPlainFileIsNotOpened) {
  shell("ln -s /etc/shadow " + file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
  shell("rm " + file_ + " && mkfifo " + file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
  shell("rm " + file_ + " && mkdir " + file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
  shell("rmdir " + file_ + " && qemu-img create -q -f qcow2 " + file_ + " 1M");
  EXPECT_EQ(examine(), "");
  shell("ln " + file_ + " " + place_.path("second-name"));
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << "somebody else could write it";
}

TEST_F(DirFound, WhatOthersCouldChangeIsRefused) {
  shell("qemu-img create -q -f qcow2 " + file_ + " 1M && chmod 600 " + file_);
  EXPECT_EQ(examine(), "");
  shell("chmod 666 " + file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
  shell("chmod 600 " + file_ + " && chmod 777 " + folder_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
  EXPECT_TRUE(read_note().starts_with("guest-refused: ")) << read_note();
  shell("chmod 700 " + folder_);
  EXPECT_EQ(examine(), "");
  if (::geteuid() != 0) return;
  shell("chown 1000 " + file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
}

// It was written by a process of its guest's user, in a directory that this user's group may
// search.
TEST_F(DirFound, WhatATpmKeepsMayBelongToAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  volume_.content = model::LayerContent::tpm_state;
  volume_.format = model::DiskFormat::raw;
  file_ = daemon_.driver->file(volume_).path;
  shell("echo nilmptws > " + file_ + " && chmod 600 " + file_ + " && chown 1000:1000 " + file_);
  shell("chgrp 1000 " + folder_ + " && chmod 710 " + folder_);
  EXPECT_EQ(examine(), "");
  shell("chmod 660 " + file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
}

TEST_F(DirFound, APlaceThatOthersCouldChangeIsNotAdopted) {
  auto other = place_.datastore;
  other.id.value.bytes[15] ^= 1;
  const auto stranger = daemon_.drivers.open(other);
  shell("chmod 777 " + place_.datastore.path + "/guests");
  EXPECT_THROW(daemon_.loop.run(stranger->prepare(true)), Error);
  EXPECT_EQ(run_now(daemon_.loop, daemon_.driver->probe()).state, model::DatastoreState::available)
      << "whoever had it still has it";
  shell("chmod 755 " + place_.datastore.path + "/guests");
  daemon_.loop.run(stranger->prepare(true));
}

TEST_F(DirFound, BentHeadersAreRefused) {
  shell("head -c 1M /dev/zero > " + file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << examine();
  shell("rm " + file_ + " && qemu-img create -q -f qcow2 -o data_file=" + place_.path("data") +
        ",data_file_raw=on " + file_ + " 1M");
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << "data in another file";
  shell("rm " + file_ + " && qemu-img create -q -f qcow2 " + file_ + " 1M && truncate -s 300 " +
        file_);
  EXPECT_TRUE(examine().starts_with("guest-refused: ")) << "cut short";
}

TEST_F(DirFound, ConfigurationsAreBounded) {
  EXPECT_EQ(read_note(), "");
  shell("head -c 300000 /dev/zero > " + folder_ + "/guest.json");
  EXPECT_TRUE(read_note().starts_with("guest-refused: ")) << read_note();
  shell("rm " + folder_ + "/guest.json && ln -s /etc/passwd " + folder_ + "/guest.json");
  EXPECT_TRUE(read_note().starts_with("guest-refused: ")) << read_note();
}

TEST_F(DirFound, AFolderThatLeadsElsewhereIsNotEntered) {
  shell("mv " + folder_ + " " + place_.path("elsewhere") + " && ln -s " + place_.path("elsewhere") +
        " " + folder_);
  EXPECT_TRUE(read_note().starts_with("io-failed: ")) << read_note();
}

}  // namespace
}  // namespace ruche::contract
