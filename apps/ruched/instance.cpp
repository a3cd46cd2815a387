#include "ruched/instance.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.hpp"
#include "base/json.hpp"

namespace ruche::apps {

namespace {

struct IdentityFile {
  model::HostId host;
  std::string label;
};
constexpr auto describe(Type<IdentityFile>) {
  return structure<IdentityFile>(
      "IdentityFile", "Who this instance is.",
      field<&IdentityFile::host>("host", "Id of the host.", {.required = true}),
      field<&IdentityFile::label>("label", "Names its control groups.", {.required = true}));
}

[[noreturn]] void fail(const std::string& what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

void write_all(int descriptor, const std::string& content, const std::string& path) {
  std::size_t written = 0;
  while (written < content.size()) {
    const auto n = ::write(descriptor, content.data() + written, content.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("writing " + path);
    written += static_cast<std::size_t>(n);
  }
}

std::string make_label(Random& random) {
  return fmt::format("{:08x}", static_cast<std::uint32_t>(random.next()));
}

}  // namespace

void replace_file(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".new";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail("creating " + temporary);
  try {
    write_all(file, content, temporary);
    if (::fsync(file) != 0) fail("writing " + temporary);
  } catch (const Error&) {
    ::close(file);
    ::unlink(temporary.c_str());
    throw;
  }
  ::close(file);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("renaming " + temporary);
  const auto directory = std::filesystem::path(path).parent_path().string();
  const int parent = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    ::fsync(parent);
    ::close(parent);
  }
}

Instance::Instance(const std::string& data_dir, Timestamp now, Random& random)
    : data_dir_(data_dir) {
  std::error_code failed;
  const bool created = std::filesystem::create_directories(data_dir, failed);
  if (failed) {
    throw Error(Reason::io_failed, fmt::format("creating {}: {}", data_dir, failed.message()))
        .remedy("choose another --data-dir, or create it");
  }
  // Guests pass through it to nothing: they get descriptors, and their run directory by name.
  if (created && ::chmod(data_dir.c_str(), 0711) != 0) fail("setting the mode of " + data_dir);
  lock_ = ::open(path("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) fail("creating " + path("lock"));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw Error(Reason::already_listening, fmt::format("another ruched works in {}", data_dir))
        .remedy("use it, end it, or start this one with another --data-dir");
  }
  std::ifstream in(path("instance.json"));
  if (in) {
    std::stringstream text;
    text << in.rdbuf();
    const auto identity = json::decode<IdentityFile>(text.str());
    host_ = identity.host;
    label_ = identity.label;
    return;
  }
  host_ = {make_uuid7(now, random)};
  label_ = make_label(random);
  const IdentityFile identity{host_, label_};
  replace_file(path("instance.json"), json::encode(identity, {.pretty = true}) + "\n");
}

Instance::~Instance() { ::close(lock_); }

}  // namespace ruche::apps
