// The parts of a TPM and of Secure Boot that need no process.
#include "drivers/qemu/tpm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "drivers/qemu/firmware.hpp"

namespace ruche::drivers::qemu {
namespace {

using testing::Contains;
using testing::HasSubstr;

const model::GuestId kGuest{*parse_uuid("01890000-0000-7000-8000-000000000001")};

class Tpm : public testing::Test {
 protected:
  Tpm() {
    char name[] = "/tmp/ruche-tpm-XXXXXX";
    root_ = ::mkdtemp(name);
    std::filesystem::create_directory(root_ + "/data");
    machine_.guest = kGuest;
    machine_.name = "web1";
    machine_.uid = 61'000;
    machine_.spec.tpm = model::TpmSpec{};
    machine_.tpm_state_path = root_ + "/data/state.tpm";
    place_.emplace(root_, kGuest);
    place_->create();
  }
  ~Tpm() override { std::filesystem::remove_all(root_); }

  void keep(const std::string& content) { std::ofstream(machine_.tpm_state_path) << content; }

  std::string root_;
  ports::MachineSpec machine_;
  std::optional<GuestDirectory> place_;
};

TEST_F(Tpm, a_new_file_and_one_of_swtpm_are_taken) {
  for (const auto& content :
       {std::string(), std::string(65536, '\0'), std::string("nilmptws and more")}) {
    keep(content);
    const auto handover = prepare_tpm(machine_, *place_);
    EXPECT_TRUE(handover.ours.open());
    EXPECT_TRUE(handover.theirs.open());
  }
}

TEST_F(Tpm, a_file_that_would_be_erased_is_refused) {
  keep("somebody's letter");
  try {
    prepare_tpm(machine_, *place_);
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.full_message(), HasSubstr("a start would erase it"));
    EXPECT_THAT(error.remedy_text(), HasSubstr("backup"));
  }
}

TEST_F(Tpm, only_the_guest_reaches_its_file_and_nothing_beside_it) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  keep("");
  prepare_tpm(machine_, *place_);
  struct stat info{};
  ASSERT_EQ(::stat(machine_.tpm_state_path.c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, machine_.uid);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat((root_ + "/data").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0U);
  EXPECT_EQ(info.st_gid, machine_.uid);
  EXPECT_EQ(info.st_mode & 0777, 0710U);
}

TEST_F(Tpm, its_process_gets_one_file_and_is_found_by_its_guest) {
  keep("");
  const auto handover = prepare_tpm(machine_, *place_);
  const auto request = tpm_request(machine_, handover, *place_, "/usr/bin/swtpm");
  EXPECT_THAT(request.argv, Contains("backend-uri=file://state.tpm"));
  EXPECT_EQ(request.working_directory, root_ + "/data");
  EXPECT_EQ(request.confinement.write_paths, std::vector<std::string>{machine_.tpm_state_path});
  EXPECT_EQ(request.confinement.user, machine_.uid);
  EXPECT_FALSE(request.confinement.dies_with_daemon);
  const auto words = tpm_words(kGuest);
  EXPECT_NE(std::ranges::search(request.argv, words).begin(), request.argv.end());
  EXPECT_THAT(words.back(), HasSubstr(to_text(kGuest)));
}

TEST_F(Tpm, its_words_are_the_error_when_qemu_could_not_speak_to_it) {
  EXPECT_FALSE(tpm_failure(machine_, *place_, "QEMU ended with status 1: no such disk"));
  std::ofstream(place_->file(kTpmLog)) << to_text(kGuest) << ": Could not open file\n";
  const auto failure = tpm_failure(machine_, *place_, "tpm-emulator: Failed to send");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->full_message(),
            "the TPM of web1 did not start: Could not open file; tpm-emulator: Failed to send");
  machine_.spec.tpm.reset();
  EXPECT_FALSE(tpm_failure(machine_, *place_, "tpm-emulator: Failed to send"));
}

TEST_F(Tpm, secure_boot_needs_both_of_its_files) {
  const auto folder = root_ + "/OVMF/";
  std::filesystem::create_directory(folder);
  EXPECT_FALSE(find_firmware(root_));
  for (const auto* name : {"OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "OVMF_CODE_4M.ms.fd"}) {
    std::ofstream(folder + name) << "firmware";
  }
  EXPECT_EQ(find_firmware(root_)->secure_code_path, "");
  std::ofstream(folder + "OVMF_VARS_4M.ms.fd") << "firmware";
  EXPECT_EQ(find_firmware(root_)->secure_code_path, folder + "OVMF_CODE_4M.ms.fd");
  EXPECT_EQ(find_firmware(root_)->secure_variables_path, folder + "OVMF_VARS_4M.ms.fd");
}

}  // namespace
}  // namespace ruche::drivers::qemu
