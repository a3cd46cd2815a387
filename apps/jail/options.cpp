#include "options.hpp"

#include <charconv>
#include <functional>
#include <limits>

namespace ruche::jail {

namespace {

constexpr std::size_t kMostArguments = 4096;
constexpr int kMostDescriptor = 65535;

using Result = std::expected<void, std::string>;

template <class T>
Result number(std::string_view text, T least, T most, T& out) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failure != std::errc() || end != text.data() + text.size() || out < least || out > most) {
    return std::unexpected("'" + std::string(text) + "' is not a number in range");
  }
  return {};
}

Result path(std::string_view text, std::string& out) {
  if (text.empty() || text.front() != '/' || text.find('\0') != std::string_view::npos) {
    return std::unexpected("'" + std::string(text) + "' is not an absolute path");
  }
  out = text;
  return {};
}

Result add_path(std::string_view text, std::vector<std::string>& out) {
  out.emplace_back();
  return path(text, out.back());
}

Result add_limit(std::string_view text, std::vector<Limit>& out) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return std::unexpected("a limit is NAME=VALUE");
  const auto name = text.substr(0, equals);
  Limit limit;
  if (name == "fsize")
    limit.resource = RLIMIT_FSIZE;
  else if (name == "as")
    limit.resource = RLIMIT_AS;
  else if (name == "cpu")
    limit.resource = RLIMIT_CPU;
  else if (name == "nofile")
    limit.resource = RLIMIT_NOFILE;
  else if (name == "core")
    limit.resource = RLIMIT_CORE;
  else if (name == "memlock")
    limit.resource = RLIMIT_MEMLOCK;
  else
    return std::unexpected("unknown limit '" + std::string(name) + "'");
  auto ok = number<rlim_t>(text.substr(equals + 1), 0, std::numeric_limits<rlim_t>::max() - 1,
                           limit.value);
  if (ok) out.push_back(limit);
  return ok;
}

Result add_descriptor(std::string_view text, std::vector<int>& out) {
  int descriptor = 0;
  auto ok = number(text, 3, kMostDescriptor, descriptor);
  if (ok) out.push_back(descriptor);
  return ok;
}

// FIRST:COUNT
Result add_ids(std::string_view text, Options& options) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::unexpected("ids are FIRST:COUNT");
  constexpr std::uint32_t kMost = 0x7fffffff;
  if (auto ok = number<std::uint32_t>(text.substr(0, colon), 1, kMost, options.first_id); !ok) {
    return ok;
  }
  return number<std::uint32_t>(text.substr(colon + 1), 1, kMost, options.id_count);
}

Result apply(std::string_view name, std::string_view value, Options& options) {
  constexpr auto kMostId = std::numeric_limits<std::uint32_t>::max() - 1;
  if (name == "--status-fd") return number(value, 3, kMostDescriptor, options.status_fd);
  if (name == "--cgroup") return add_path(value, options.cgroups);
  if (name == "--late-cgroup") return add_path(value, options.late_cgroups);
  if (name == "--limit") return add_limit(value, options.limits);
  if (name == "--user") return number<std::uint32_t>(value, 1, kMostId, options.user);
  if (name == "--group") return number<std::uint32_t>(value, 1, kMostId, options.group);
  if (name == "--own-root") return add_ids(value, options);
  if (name == "--read") return add_path(value, options.read_paths);
  if (name == "--write") return add_path(value, options.write_paths);
  if (name == "--execute") return add_path(value, options.execute_paths);
  if (name == "--keep") return add_descriptor(value, options.keep);
  if (name == "--stdout") return path(value, options.stdout_path);
  if (name == "--stderr") return path(value, options.stderr_path);
  if (name == "--directory") return path(value, options.directory);
  if (name == "--parent") return number(value, 1, std::numeric_limits<int>::max(), options.parent);
  return std::unexpected("unknown option '" + std::string(name) + "'");
}

Result check(const Options& options) {
  if (options.argv.empty()) return std::unexpected("no program after --");
  if (options.argv.front().empty() || options.argv.front().front() != '/') {
    return std::unexpected("the program must be an absolute path");
  }
  if (options.user != 0 && options.group == 0) {
    return std::unexpected("--user needs --group, or the program keeps the group of root");
  }
  const bool paths =
      !options.read_paths.empty() || !options.write_paths.empty() || !options.execute_paths.empty();
  const bool own_root = options.id_count != 0;
  if (own_root && (options.landlock || options.user != 0 || options.group != 0)) {
    return std::unexpected("--own-root has its own user and paths");
  }
  if (paths && !options.landlock && !own_root) {
    return std::unexpected("paths without --landlock mean nothing");
  }
  return {};
}

}  // namespace

std::expected<Options, std::string> parse(const std::vector<std::string_view>& arguments) {
  if (arguments.size() > kMostArguments) return std::unexpected("too many arguments");
  Options options;
  std::size_t i = 0;
  for (; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i] == "--landlock") {
      options.landlock = true;
      continue;
    }
    if (i + 1 == arguments.size()) {
      return std::unexpected("'" + std::string(arguments[i]) + "' has no value");
    }
    if (auto ok = apply(arguments[i], arguments[i + 1], options); !ok) {
      return std::unexpected(std::string(arguments[i]) + ": " + ok.error());
    }
    ++i;
  }
  for (++i; i < arguments.size(); ++i) options.argv.emplace_back(arguments[i]);
  if (auto ok = check(options); !ok) return std::unexpected(ok.error());
  return options;
}

}  // namespace ruche::jail
