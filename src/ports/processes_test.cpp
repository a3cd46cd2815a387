#include "ports/processes.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/loop.hpp"

namespace ruche::ports {
namespace {

class FakeProcess : public Process {
 public:
  explicit FakeProcess(int status, bool hangs) : status_(status), hangs_(hangs) {}
  const ProcessIdentity& identity() const override { return identity_; }
  Async<ProcessExit> wait() override {
    while (hangs_) co_await ended_.wait();
    co_return ProcessExit{status_};
  }
  void signal(int number) override {
    status_ = -number;
    hangs_ = false;
    ended_.notify();
  }
  bool alive() const override { return hangs_; }

 private:
  ProcessIdentity identity_;
  int status_;
  bool hangs_;
  Signal ended_;
};

class FakeProcesses : public Processes {
 public:
  Async<std::unique_ptr<Process>> spawn(SpawnRequest request) override {
    std::ofstream(request.stdout_path) << output;
    std::ofstream(request.stderr_path) << errors;
    last = request;
    co_return std::make_unique<FakeProcess>(status, hangs);
  }
  std::unique_ptr<Process> find(const ProcessIdentity&) override { return nullptr; }
  std::string cgroup_path(const std::string&) const override { return {}; }
  void remove_cgroup(const std::string&) override {}
  const std::string& boot_id() const override { return boot_; }

  std::string output, errors;
  int status = 0;
  bool hangs = false;
  SpawnRequest last;

 private:
  std::string boot_ = "boot";
};

class RunHelper : public testing::Test {
 protected:
  RunHelper() {
    char name[] = "/tmp/ruche-helper-XXXXXX";
    scratch = ::mkdtemp(name);
  }
  ~RunHelper() override { std::filesystem::remove_all(scratch); }
  std::string scratch;
  Loop loop;
  FakeProcesses processes;
};

TEST_F(RunHelper, returns_output_bounded_and_leaves_no_file) {
  processes.output = std::string(2 << 20, 'a');
  processes.errors = std::string(5000, 'x') + "the end";
  processes.status = 3;
  const auto result = run_now(loop, run_helper(processes, SpawnRequest{}, scratch));
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.output.size(), 1U << 20);
  EXPECT_EQ(result.error_output.size(), 4096U);
  EXPECT_TRUE(result.error_output.ends_with("the end"));
  EXPECT_TRUE(processes.last.confinement.dies_with_daemon);
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
}

TEST_F(RunHelper, kills_the_helper_when_the_deadline_passes) {
  processes.hangs = true;
  try {
    run_now(loop, with_deadline(loop.clock(), Duration(20), "the helper",
                                run_helper(processes, SpawnRequest{}, scratch)));
    FAIL() << "no deadline";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::deadline);
  }
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
}

TEST_F(RunHelper, needs_its_directory) {
  EXPECT_THROW(run_now(loop, run_helper(processes, SpawnRequest{}, scratch + "/none")), Error);
}

}  // namespace
}  // namespace ruche::ports
