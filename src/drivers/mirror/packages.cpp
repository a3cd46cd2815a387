#include "drivers/mirror/packages.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

namespace ruche::drivers::mirror {

namespace {

// Debian Policy 5.6.1 and 5.6.12, and nothing that begins an option.
bool is_word(std::string_view text, std::string_view punctuation) {
  return !text.empty() && text.front() != '-' && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  punctuation.find(c) != std::string_view::npos;
         });
}
bool is_package_name(std::string_view text) { return is_word(text, "+-."); }
bool is_version(std::string_view text) { return is_word(text, ".+-:~"); }

std::vector<std::string> parse_dependencies(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto word = text.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    word = word.substr(0, word.find_first_of(" (|:"));
    if (is_package_name(word)) names.emplace_back(word);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return names;
}

Error failed(const std::string& tool, const ports::HelperResult& result) {
  return Error(Reason::process_failed,
               fmt::format("{} ended with status {}: {}", tool, result.status, result.error_output))
      .remedy("Check that this machine can install packages: apt-get update.");
}

}  // namespace

std::vector<std::string> tool_environment() {
  std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                                       "HOME=/nonexistent", "DEBIAN_FRONTEND=noninteractive"};
  for (const char* name :
       {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}) {
    if (const char* value = ::getenv(name))
      environment.push_back(fmt::format("{}={}", name, value));
  }
  return environment;
}

std::string Package::file_name() const {
  std::string escaped;
  for (const char c : version) escaped += c == ':' ? std::string("%3a") : std::string(1, c);
  return fmt::format("{}_{}_{}.deb", name, escaped, architecture);
}

std::optional<Package> parse_package_record(std::string_view text) {
  Package package;
  package.architecture = "amd64";
  while (!text.empty() && !text.starts_with('\n')) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos || line.starts_with(' ')) continue;
    const auto key = line.substr(0, colon);
    const auto value = line.substr(colon + 2);
    if (key == "Package") package.name = value;
    if (key == "Version") package.version = value;
    if (key == "Architecture") package.architecture = value;
    if (key == "Depends" || key == "Pre-Depends") {
      for (auto& name : parse_dependencies(value)) package.depends.push_back(std::move(name));
    }
  }
  const bool plausible = is_package_name(package.name) && is_version(package.version) &&
                         is_package_name(package.architecture);
  if (!plausible) return std::nullopt;
  return package;
}

std::optional<Download> parse_download(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  if (!text.starts_with('\'')) return std::nullopt;
  const auto quote = text.find('\'', 1);
  const auto hash = text.rfind(' ');
  if (quote == std::string_view::npos || hash == std::string_view::npos || hash < quote) {
    return std::nullopt;
  }
  Download download{std::string(text.substr(1, quote - 1)), std::string(text.substr(hash + 1))};
  // From a mirror on this machine we want a copy, not a link.
  if (download.uri.starts_with("file:")) download.uri.replace(0, 5, "copy:");
  if (!download.hash.starts_with("SHA256:") && !download.hash.starts_with("SHA512:")) {
    return std::nullopt;
  }
  return download;
}

Packages::Packages(PackageTools tools, std::string directory, std::string scratch)
    : tools_(tools), directory_(std::move(directory)), scratch_(std::move(scratch)) {}

// Everything that apt writes is below the working directory, and named relative to it: the tools'
// user may not be able to walk to it from the root.
std::vector<std::string> Packages::apt(std::string tool) const {
  std::vector<std::string> argv{std::move(tool)};
  std::vector<std::string> settings{"Dir::State=./apt/state",
                                    "Dir::State::status=/var/lib/dpkg/status",
                                    "Dir::Cache=./apt/cache",
                                    "Dir::Cache::pkgcache=pkgcache.bin",
                                    "Dir::Cache::srcpkgcache=srcpkgcache.bin",
                                    "Dir::Log=./apt/log",
                                    "Debug::NoLocking=true",
                                    "Acquire::Retries=2",
                                    "APT::Sandbox::User=root"};
  settings.push_back(own_lists_ ? "Dir::State::lists=./apt/state/lists"
                                : "Dir::State::lists=/var/lib/apt/lists");
  for (auto& setting : settings) {
    argv.emplace_back("-o");
    argv.push_back(std::move(setting));
  }
  return argv;
}

Async<ports::HelperResult> Packages::attempt(std::vector<std::string> argv) {
  ports::SpawnRequest request;
  request.name = argv.front();
  request.argv = std::move(argv);
  request.environment = tool_environment();
  request.environment.push_back("TMPDIR=./apt/tmp");
  request.working_directory = directory_;
  request.confinement.user = tools_.user;
  request.confinement.group = tools_.group;
  // The machine's own apt may read keys, proxies and hooks from anywhere; its user protects us.
  request.confinement.landlock = false;
  request.confinement.file_size_max = gib(1);
  request.confinement.cpu_seconds_max = 600;
  co_return co_await ports::run_helper(tools_.processes, std::move(request), scratch_);
}

Async<std::string> Packages::run(std::vector<std::string> argv) {
  const auto tool = argv.front();
  auto result = co_await attempt(std::move(argv));
  if (result.status != 0) throw failed(tool, result);
  co_return std::move(result.output);
}

Async<std::optional<Package>> Packages::look_up(std::string name) {
  auto argv = apt("/usr/bin/apt-cache");
  argv.insert(argv.end(), {"show", "--no-all-versions", std::move(name)});
  const auto result = co_await attempt(std::move(argv));
  if (result.status != 0) co_return std::nullopt;
  co_return parse_package_record(result.output);
}

Async<void> Packages::use_own_lists() {
  own_lists_ = true;
  auto argv = apt("/usr/bin/apt-get");
  argv.insert(argv.end(), {"update", "-q"});
  co_await run(std::move(argv));
}

Async<Package> Packages::candidate(std::string name) {
  const auto found = co_await look_up(name);
  if (found) co_return *found;
  throw Error(Reason::no_such_object, "this machine's package mirror has no package " + name)
      .remedy("Check the package sources of this machine.");
}

Async<void> Packages::fetch(Package package) {
  if (is_fetched(package)) co_return;
  auto ask = apt("/usr/bin/apt-get");
  ask.insert(ask.end(), {"download", "--print-uris", package.name + "=" + package.version});
  const auto answer = co_await run(std::move(ask));
  auto source = parse_download(answer);
  if (!source) {
    throw Error(Reason::process_failed, "apt-get does not say where " + package.name + " is");
  }
  // apt-get itself would use absolute paths, which the tools' user may not be able to walk.
  auto argv = apt("/usr/lib/apt/apt-helper");
  argv.insert(argv.end(), {"download-file", source->uri, "./" + package.file_name(), source->hash});
  co_await run(std::move(argv));
  if (!is_fetched(package)) {
    throw Error(Reason::process_failed, "apt-helper did not leave " + package.file_name());
  }
}

bool Packages::is_fetched(const Package& package) const {
  struct stat info{};
  const auto path = directory_ + "/" + package.file_name();
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

Async<void> Packages::unpack(Package package, std::string folder) {
  co_await run({"/usr/bin/dpkg-deb", "-x", "./" + package.file_name(), "./" + folder});
}

}  // namespace ruche::drivers::mirror
