// The small value types: errors, reasons, ids, randomness, secrets, names of reflected types, logs.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <set>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/json_sample_test.hpp"
#include "base/json_value.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/reflect.hpp"
#include "base/secret.hpp"

namespace ruche {
namespace {

// --- errors --------------------------------------------------------------------------------------

Error chain() {
  return Error(Reason::io_failed, "cannot write")
      .caused_by(Error(Reason::not_enough_space, "the disk is full")
                     .caused_by(Error(Reason::internal_error, "quota")));
}

TEST(ErrorTest, CarriesEverything) {
  const Error error = Error(Reason::out_of_range, "too much").at("/cpus").remedy("Use less.");
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error.reason_name(), "out-of-range");
  EXPECT_EQ(error.field(), "/cpus");
  EXPECT_EQ(error.remedy_text(), "Use less.");
  EXPECT_STREQ(error.what(), "too much");
  EXPECT_EQ(error.cause(), nullptr);
}

TEST(ErrorTest, TellsItsCausesAndUndoFailures) {
  Error error = chain();
  EXPECT_EQ(error.full_message(), "cannot write: because the disk is full: because quota");
  error.attach_undo_failure(Error(Reason::io_failed, "cannot delete").caused_by(chain()));
  EXPECT_EQ(error.full_message(),
            "cannot write: because the disk is full: because quota; undoing it failed too: cannot "
            "delete: because cannot write: because the disk is full: because quota");
  EXPECT_EQ(error.reason(), Reason::io_failed);
  EXPECT_EQ(error.undo_failures().size(), 1u);
}

TEST(ErrorDeathTest, ABrokenInvariantEndsTheProcess) {
  EXPECT_DEATH(broken_invariant("two owners"), "ruche: broken invariant: two owners");
}

TEST(ReasonTest, NamesAreUniqueKebabCaseAndReadBack) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Reason::internal_error); ++i) {
    const auto reason = static_cast<Reason>(i);
    const ReasonInfo& info = reason_info(reason);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_EQ(reason_named(info.name), reason);
    EXPECT_TRUE(info.summary.ends_with('.')) << info.name;
    EXPECT_TRUE(is_valid_name(info.name)) << info.name;
  }
  EXPECT_EQ(reason_named("from-the-future"), Reason::internal_error);
}

TEST(ReasonTest, CodesHaveNamesStatusesAndExitCodes) {
  std::set<int> exits;
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_EQ(error_code_named(to_string(code)), code);
    EXPECT_GE(http_status(code), 400);
    EXPECT_LT(http_status(code), 600);
    EXPECT_GT(exit_code(code), 2);
    EXPECT_TRUE(exits.insert(exit_code(code)).second);
  }
  EXPECT_EQ(error_code_named("?"), ErrorCode::internal);
  EXPECT_EQ(http_status(Reason::revision_mismatch), 412);
  EXPECT_EQ(http_status(Reason::body_too_large), 413);
  EXPECT_EQ(http_status(Reason::method_not_allowed), 405);
  EXPECT_EQ(http_status(Reason::not_enough_space), 507);
  EXPECT_EQ(http_status(Reason::not_enough_memory), 409);
  EXPECT_EQ(http_status(Reason::no_such_object), 404);
}

// --- ids and randomness --------------------------------------------------------------------------

TEST(IdTest, Uuid7HasItsTimeVersionAndVariant) {
  const auto random = seeded_random(1);
  const Uuid uuid = make_uuid7({0x0123456789ab}, *random);
  const std::string text = to_text(uuid);
  EXPECT_EQ(text.substr(0, 15), "01234567-89ab-7");
  EXPECT_NE(std::string_view("89ab").find(text[19]), std::string_view::npos);
  EXPECT_EQ(parse_uuid(text), uuid);
  EXPECT_LT(uuid, make_uuid7({0x0123456789ac}, *random));
  EXPECT_NE(uuid, make_uuid7({0x0123456789ab}, *random));
}

TEST(IdTest, ParseIsStrict) {
  EXPECT_TRUE(parse_uuid("0198C7D2-4f3a-7000-8000-0123456789ab"));
  for (const char* bad :
       {"", "0198c7d24f3a700080000123456789ab", "0198c7d2-4f3a-7000-8000-0123456789a",
        "0198c7d2-4f3a-7000-8000-0123456789ag", "0198c7d2-4f3a-7000-80000-123456789ab",
        "{198c7d2-4f3a-7000-8000-0123456789a}"}) {
    EXPECT_FALSE(parse_uuid(bad)) << bad;
  }
}

TEST(IdTest, IdsOfDifferentTypesDoNotMix) {
  static_assert(!std::is_convertible_v<Id<int>, Id<long>>);
  EXPECT_TRUE(Id<int>{}.is_nil());
  const auto random = seeded_random(2);
  const Id<int> id{make_uuid7({1}, *random)};
  EXPECT_NE(std::hash<Id<int>>()(id), std::hash<Id<int>>()(Id<int>{}));
}

TEST(RandomTest, ASeedReplaysExactly) {
  // Computed by a second implementation, so that seeds mean the same forever.
  const auto random = seeded_random(1);
  EXPECT_EQ(random->next(), 0xb3f2af6d0fc710c5u);
  EXPECT_EQ(random->next(), 0x853b559647364ceau);
  const auto a = seeded_random(42), b = seeded_random(42), c = seeded_random(43);
  for (int i = 0; i < 100; ++i) {
    const auto value = a->next();
    EXPECT_EQ(value, b->next());
    EXPECT_NE(value, c->next());
  }
}

TEST(RandomTest, BelowIsUniformAndInRange) {
  const auto random = seeded_random(7);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) ++counts.at(random->below(6));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random->below(1), 0u);
  EXPECT_NE(random->below(UINT64_MAX), UINT64_MAX);
}

TEST(RandomTest, ChanceAndFill) {
  const auto random = seeded_random(8);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) hits += random->chance(0.25) ? 1 : 0;
  EXPECT_NEAR(hits, 2500, 200);
  EXPECT_FALSE(random->chance(0));
  EXPECT_TRUE(random->chance(1));
  std::array<std::uint8_t, 13> bytes{};
  random->fill(bytes);
  EXPECT_GT(std::set<std::uint8_t>(bytes.begin(), bytes.end()).size(), 5u);
  EXPECT_NE(system_random()->next(), system_random()->next());
}

// --- secrets -------------------------------------------------------------------------------------

TEST(SecretTest, WipesWhatItDrops) {
  std::string text = "hunter2";
  const char* const memory = text.data();  // short text lives inside the object
  wipe(text);
  EXPECT_TRUE(text.empty());
  for (int i = 0; i < 7; ++i) EXPECT_EQ(memory[i], 0);
}

TEST(SecretTest, CopiesAndCompares) {
  Secret<std::string> a(std::string(100, 'x'));
  const Secret<std::string> b = a;
  EXPECT_EQ(a, b);
  a = Secret<std::string>("short");
  EXPECT_EQ(a.reveal(), "short");
  const Secret<std::string>& self = a;
  a = self;
  EXPECT_EQ(a.reveal(), "short");
  EXPECT_EQ(b.reveal(), std::string(100, 'x'));
}

// --- names ---------------------------------------------------------------------------------------

TEST(ReflectTest, Kebab) {
  EXPECT_EQ(kebab("CreateVolume"), "create-volume");
  EXPECT_EQ(kebab("Vm"), "vm");
  EXPECT_EQ(kebab("VMState"), "vm-state");
  EXPECT_EQ(kebab("CreateVM"), "create-vm");
  EXPECT_EQ(kebab("Step2Now"), "step2-now");
  EXPECT_EQ(kebab(""), "");
}

TEST(ReflectTest, EnumerationsAndFields) {
  EXPECT_EQ(enum_name(sample::Bus::virtio_blk), "virtio-blk");
  EXPECT_EQ(enum_name(static_cast<sample::Bus>(77)), "");
  EXPECT_EQ(enum_value<sample::Bus>("sata"), sample::Bus::sata);
  EXPECT_FALSE(enum_value<sample::Bus>("ide"));
  const TypeInfo& disk = type_of<sample::Disk>();
  ASSERT_NE(disk.find_field("bus"), nullptr);
  EXPECT_EQ(disk.find_field("bus")->doc, "Device model.");
  EXPECT_EQ(disk.find_field("none"), nullptr);
}

// --- logs ----------------------------------------------------------------------------------------

class LogFileTest : public ::testing::Test {
 protected:
  LogFileTest() {
    char path[] = "/tmp/ruche-log-XXXXXX";
    EXPECT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
  }
  ~LogFileTest() override {
    ::unlink(file().c_str());
    ::unlink((file() + ".1").c_str());
    ::rmdir(folder_.c_str());
  }
  std::string file() const { return folder_ + "/log"; }
  static std::vector<std::string> lines(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  std::string folder_;
};

TEST_F(LogFileTest, LinesAreJsonAndLowLevelsAreLeftOut) {
  const auto log = file_log(file(), LogLevel::info, 1 << 20);
  log->debug("core", "no");
  log->warning("core/tasks", "a \"quoted\"\nline", {{"task", "7"}, {"guest", "web1"}});
  const auto written = lines(file());
  ASSERT_EQ(written.size(), 1u);
  const auto value = json::parse(written[0]);
  EXPECT_EQ(value.at("level").as_string(), "warning");
  EXPECT_EQ(value.at("room").as_string(), "core/tasks");
  EXPECT_EQ(value.at("message").as_string(), "a \"quoted\"\nline");
  EXPECT_EQ(value.at("guest").as_string(), "web1");
  EXPECT_TRUE(parse_rfc3339(value.at("time").as_string()));
}

TEST_F(LogFileTest, RotatesAndAppends) {
  {
    const auto log = file_log(file(), LogLevel::info, 300);
    for (int i = 0; i < 5; ++i) log->info("room", std::string(50, 'x'), {{"n", std::to_string(i)}});
  }
  EXPECT_EQ(lines(file() + ".1").size(), 2u);
  EXPECT_EQ(lines(file()).size(), 1u);
  file_log(file(), LogLevel::info, 300)->info("room", "again");
  EXPECT_EQ(lines(file()).size(), 2u);
}

TEST_F(LogFileTest, AFileThatCannotBeOpenedIsAnError) {
  EXPECT_THROW(file_log(folder_ + "/no/log", LogLevel::info, 1), Error);
}

TEST(MemoryLogTest, TakesErrors) {
  MemoryLog log;
  log.info("a", "fine");
  log.error("b", "bad");
  ASSERT_EQ(log.lines().size(), 2u);
  const auto errors = log.take_errors();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].message, "bad");
  EXPECT_EQ(log.lines().size(), 1u);
}

}  // namespace
}  // namespace ruche
