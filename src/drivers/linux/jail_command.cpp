#include "drivers/linux/jail_command.hpp"

namespace ruche::drivers::linux {

namespace {

class Arguments {
 public:
  explicit Arguments(std::string program) { words_.push_back(std::move(program)); }
  void flag(const char* name) { words_.emplace_back(name); }
  void option(const char* name, std::string value) {
    words_.emplace_back(name);
    words_.push_back(std::move(value));
  }
  void each(const char* name, const std::vector<std::string>& values) {
    for (const auto& value : values) option(name, value);
  }
  std::vector<std::string> take() { return std::move(words_); }

 private:
  std::vector<std::string> words_;
};

void add_limits(Arguments& out, const ports::Confinement& confinement) {
  const auto limit = [&](const char* name, std::int64_t value) {
    out.option("--limit", std::string(name) + "=" + std::to_string(value));
  };
  limit("core", 0);
  if (confinement.file_size_max) limit("fsize", confinement.file_size_max->count);
  if (confinement.address_space_max) limit("as", confinement.address_space_max->count);
  if (confinement.cpu_seconds_max) limit("cpu", *confinement.cpu_seconds_max);
  if (confinement.locks_memory) limit("memlock", INT64_MAX);
}

void add_confinement(Arguments& out, const ports::Confinement& confinement) {
  if (confinement.own_root) {
    const auto& ids = *confinement.own_root;
    out.option("--own-root", std::to_string(ids.first) + ":" + std::to_string(ids.count));
  } else {
    if (confinement.user != 0) out.option("--user", std::to_string(confinement.user));
    if (confinement.group != 0) out.option("--group", std::to_string(confinement.group));
    if (!confinement.landlock) return;
    out.flag("--landlock");
  }
  out.each("--read", confinement.read_paths);
  out.each("--write", confinement.write_paths);
  out.each("--execute", confinement.execute_paths);
}

}  // namespace

std::vector<std::string> jail_arguments(const JailCommand& command,
                                        const ports::SpawnRequest& request) {
  const auto& confinement = request.confinement;
  Arguments out(command.jail_path);
  out.option("--status-fd", std::to_string(command.status_descriptor));
  out.each(confinement.late_cgroup ? "--late-cgroup" : "--cgroup", command.cgroups);
  add_limits(out, confinement);
  add_confinement(out, confinement);
  for (const auto& passed : request.descriptors) {
    out.option("--keep", std::to_string(passed.theirs));
  }
  if (!request.stdout_path.empty()) out.option("--stdout", request.stdout_path);
  if (!request.stderr_path.empty()) out.option("--stderr", request.stderr_path);
  out.option("--directory", request.working_directory);
  if (confinement.dies_with_daemon) out.option("--parent", std::to_string(command.parent_pid));
  out.flag("--");
  auto words = out.take();
  words.insert(words.end(), request.argv.begin(), request.argv.end());
  return words;
}

}  // namespace ruche::drivers::linux
