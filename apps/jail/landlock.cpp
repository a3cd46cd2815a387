#include "landlock.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace ruche::jail {

namespace {

// The system's header may be older than its kernel: these are landlock(7)'s, by ABI.
constexpr std::uint64_t kTruncate = 1ULL << 14;   // ABI 3
constexpr std::uint64_t kIoctlDevice = 1ULL << 15;  // ABI 5
constexpr std::uint64_t kScopeAbstractSocket = 1ULL << 0;  // ABI 6
constexpr std::uint64_t kScopeSignal = 1ULL << 1;          // ABI 6

struct RulesetAttributes {
  std::uint64_t handled_access_fs = 0;
  std::uint64_t handled_access_net = 0;
  std::uint64_t scoped = 0;
};

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kExecute =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// What a rule on something that is not a directory may hold.
constexpr std::uint64_t kForFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                    LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;

std::uint64_t known_access(long abi) {
  std::uint64_t access = (1ULL << 13) - 1;
  if (abi >= 2) access |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) access |= kTruncate;
  if (abi >= 5) access |= kIoctlDevice;
  return access;
}

std::string failure(const std::string& what) { return what + ": " + std::strerror(errno); }

std::expected<void, std::string> allow(int ruleset, const std::string& path, std::uint64_t access) {
  const int descriptor = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (descriptor < 0) return std::unexpected(failure(path));
  struct stat info{};
  if (::fstat(descriptor, &info) != 0) {
    const auto message = failure(path);
    ::close(descriptor);
    return std::unexpected(message);
  }
  landlock_path_beneath_attr rule{};
  rule.parent_fd = descriptor;
  rule.allowed_access = S_ISDIR(info.st_mode) ? access : access & kForFiles;
  const long added =
      ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  const auto message = added == 0 ? std::string() : failure(path);
  ::close(descriptor);
  if (added != 0) return std::unexpected(message);
  return {};
}

std::expected<void, std::string> allow_all(int ruleset, const std::vector<std::string>& paths,
                                           std::uint64_t access) {
  for (const auto& path : paths) {
    if (auto ok = allow(ruleset, path, access); !ok) return ok;
  }
  return {};
}

}  // namespace

std::expected<int, std::string> prepare_landlock(const Options& options) {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return -1;
  const auto known = known_access(abi);
  RulesetAttributes attributes;
  attributes.handled_access_fs = known;
  if (abi >= 6) attributes.scoped = kScopeAbstractSocket | kScopeSignal;
  const long ruleset = ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0) return std::unexpected(failure("ruleset"));
  const int descriptor = static_cast<int>(ruleset);
  const auto write = known & ~LANDLOCK_ACCESS_FS_EXECUTE;
  if (auto ok = allow_all(descriptor, options.read_paths, kRead); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = allow_all(descriptor, options.execute_paths, kExecute); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = allow_all(descriptor, options.write_paths, write); !ok) {
    return std::unexpected(ok.error());
  }
  return descriptor;
}

std::expected<void, std::string> enter_landlock(int ruleset) {
  if (ruleset < 0) return {};
  if (::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
    return std::unexpected(failure("restrict"));
  }
  return {};
}

}  // namespace ruche::jail
