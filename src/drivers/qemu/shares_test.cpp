// The parts of sharing folders that need no process.
#include "drivers/qemu/shares.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace ruche::drivers::qemu {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const model::GuestId kGuest{*parse_uuid("01890000-0000-7000-8000-000000000001")};

class Shares : public testing::Test {
 protected:
  Shares() {
    char name[] = "/tmp/ruche-shares-XXXXXX";
    root_ = ::mkdtemp(name);
    ::chmod(root_.c_str(), 0755);
    fs::create_directory(folder());
    fs::permissions(folder(), fs::perms(0755));
    machine_.guest = kGuest;
    machine_.name = "web1";
    machine_.uid = 61'000;
    machine_.spec.shares = {{"data", folder(), true, 3}};
    place_.emplace(root_, kGuest);
    place_->create();
  }
  ~Shares() override { fs::remove_all(root_); }

  std::string folder() const { return root_ + "/data"; }
  model::ShareSpec& share() { return machine_.spec.shares.front(); }
  std::string refusal(const std::vector<std::string>& kept = {}) {
    try {
      prepare_share(machine_, 0, *place_, kept);
    } catch (const Error& error) {
      EXPECT_EQ(error.field(), "/shares/0/path");
      return error.full_message();
    }
    return {};
  }

  std::string root_;
  ports::MachineSpec machine_;
  std::optional<GuestDirectory> place_;
};

TEST_F(Shares, both_ends_are_connected_and_nobody_else_can) {
  const auto handover = prepare_share(machine_, 0, *place_, {});
  EXPECT_EQ(handover.path, folder());
  pollfd waiting{handover.theirs.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 1);
  EXPECT_FALSE(fs::exists(place_->file("share0")));
  EXPECT_TRUE(fs::exists(place_->file("share0.log")));
}

TEST_F(Shares, what_is_no_folder_is_refused) {
  share().path = root_ + "/absent";
  EXPECT_THAT(refusal(), HasSubstr("is no folder of this host"));
  std::ofstream(share().path) << "a file";
  EXPECT_THAT(refusal(), HasSubstr("is no folder of this host"));
}

TEST_F(Shares, links_are_followed_before_it_is_judged) {
  share().path = root_ + "/link";
  fs::create_symlink(folder(), share().path);
  EXPECT_EQ(prepare_share(machine_, 0, *place_, {}).path, folder());
  fs::remove(share().path);
  fs::create_symlink("/proc", share().path);
  EXPECT_THAT(refusal(), HasSubstr("belongs to the running system"));
  fs::remove(share().path);
  fs::create_symlink("/", share().path);
  EXPECT_THAT(refusal(), HasSubstr("belongs to the running system"));
}

TEST_F(Shares, folders_of_ruche_are_refused_with_what_holds_them_and_lies_in_them) {
  for (const auto& kept : {folder(), folder() + "/deeper", root_}) {
    EXPECT_THAT(refusal({kept}), HasSubstr("Ruche keeps its own files")) << kept;
  }
  EXPECT_EQ(refusal({root_ + "/data2"}), "");
}

TEST_F(Shares, a_folder_that_the_guest_may_not_enter_is_told_of) {
  fs::permissions(folder(), fs::perms(0700));
  machine_.uid = 61'000;
  EXPECT_THAT(refusal(), HasSubstr("reached as user 61000"));
  machine_.uid = ::geteuid() == 0 ? 0 : ::geteuid();  // its owner
  EXPECT_EQ(refusal(), "");
}

TEST_F(Shares, its_process_is_nobody_outside_and_has_one_folder) {
  const auto handover = prepare_share(machine_, 0, *place_, {});
  const auto request =
      share_request(machine_, 0, handover, *place_, {"/usr/libexec/virtiofsd", false});
  ASSERT_TRUE(request.confinement.own_root);
  EXPECT_EQ(request.confinement.own_root->first, machine_.uid);
  EXPECT_EQ(request.confinement.own_root->count, 1U);
  EXPECT_FALSE(request.confinement.dies_with_daemon);
  EXPECT_FALSE(request.confinement.late_cgroup);  // it starts other processes
  EXPECT_THAT(request.confinement.write_paths, IsEmpty());
  EXPECT_THAT(request.confinement.read_paths, Contains(folder()));
  EXPECT_THAT(request.argv, Contains("--readonly"));
  EXPECT_EQ(share_words(*place_, 0), (std::vector{std::string("--stderr"), request.stderr_path}));
  share().read_only = false;
  const auto writing =
      share_request(machine_, 0, handover, *place_, {"/usr/libexec/virtiofsd", false});
  EXPECT_EQ(writing.confinement.write_paths, std::vector{folder()});
  EXPECT_THAT(writing.confinement.read_paths, Not(Contains(folder())));
  EXPECT_THAT(writing.argv, Not(Contains("--readonly")));
}

TEST_F(Shares, the_older_program_is_told_a_path_with_a_comma) {
  share().path = root_ + "/a,b\\c";
  fs::create_directory(share().path);
  fs::permissions(share().path, fs::perms(0755));
  const auto handover = prepare_share(machine_, 0, *place_, {});
  const auto request =
      share_request(machine_, 0, handover, *place_, {"/usr/lib/qemu/virtiofsd", true});
  EXPECT_THAT(request.argv, Contains("source=" + root_ + "/a\\,b\\\\c"));
}

TEST_F(Shares, its_words_are_the_error_when_qemu_could_not_speak_to_it) {
  const std::string words =
      "-device vhost-user-fs-pci,id=share-data,chardev=share-datac: vhost_backend_init failed";
  EXPECT_FALSE(share_failure(machine_, *place_, "no such disk"));
  std::ofstream(place_->file(share_log(0))) << "Permission denied\n";
  const auto failure = share_failure(machine_, *place_, words);
  ASSERT_TRUE(failure);
  EXPECT_THAT(failure->full_message(),
              HasSubstr("the folder data of web1 could not be served: Permission denied"));
  EXPECT_EQ(failure->field(), "/shares/0/path");
}

TEST_F(Shares, the_newer_program_is_taken_where_both_are) {
  const auto newer = root_ + "/newer";
  const auto older = root_ + "/older";
  const auto make = [](const std::string& path) {
    std::ofstream(path) << "#!/bin/sh\n";
    ::chmod(path.c_str(), 0755);
  };
  EXPECT_FALSE(find_virtiofsd(newer, older));
  make(older);
  EXPECT_TRUE(find_virtiofsd(newer, older)->older);
  make(newer);
  EXPECT_EQ(find_virtiofsd(newer, older)->path, newer);
  EXPECT_FALSE(find_virtiofsd(newer, older)->older);
  EXPECT_EQ(why_no_shares(find_virtiofsd(newer, older), true), "");
  EXPECT_THAT(why_no_shares(find_virtiofsd(newer, older), false), HasSubstr("root"));
  EXPECT_EQ(why_no_shares(std::nullopt, true), "virtiofsd is not installed");
}

}  // namespace
}  // namespace ruche::drivers::qemu
