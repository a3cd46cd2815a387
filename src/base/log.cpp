#include "base/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/units.hpp"

namespace ruche {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

std::string line_of(LogLevel level, std::string_view room, std::string_view message,
                    Log::Fields fields) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const Timestamp time{now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1'000'000};
  std::string line = "{\"time\":\"" + to_rfc3339(time) + "\",\"level\":\"";
  line += level_name(level);
  line += "\",\"room\":" + json::quote(room) + ",\"message\":" + json::quote(message);
  for (const auto& [name, value] : fields) {
    line += "," + json::quote(name) + ":" + json::quote(value);
  }
  line += "}\n";
  return line;
}

// A log that cannot be written is no reason to stop: the line is lost.
void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel least) : least_(least) {}
  void write(LogLevel level, std::string_view room, std::string_view message,
             Fields fields) override {
    if (level < least_) return;
    write_all(STDERR_FILENO, line_of(level, room, message, fields));
  }

 private:
  LogLevel least_;
};

class FileLog final : public Log {
 public:
  FileLog(std::string path, LogLevel least, std::size_t max_bytes)
      : path_(std::move(path)), least_(least), max_bytes_(max_bytes) {
    if (!open()) {
      throw Error(Reason::io_failed, "cannot open the log " + path_ + ": " + std::strerror(errno));
    }
  }
  ~FileLog() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  void write(LogLevel level, std::string_view room, std::string_view message,
             Fields fields) override {
    if (level < least_) return;
    const std::string line = line_of(level, room, message, fields);
    const std::lock_guard lock(mutex_);  // lanes log too
    if (size_ > 0 && size_ + line.size() > max_bytes_) rotate();
    write_all(descriptor_, line);
    size_ += line.size();
  }

 private:
  bool open() {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct stat status{};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) return false;
    size_ = static_cast<std::size_t>(status.st_size);
    return true;
  }
  void rotate() {
    ::close(descriptor_);
    ::rename(path_.c_str(), (path_ + ".1").c_str());
    open();
  }

  const std::string path_;
  const LogLevel least_;
  const std::size_t max_bytes_;
  std::mutex mutex_;
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

}  // namespace

std::unique_ptr<Log> stderr_log(LogLevel least) { return std::make_unique<StderrLog>(least); }

std::unique_ptr<Log> file_log(std::string path, LogLevel least, std::size_t max_bytes) {
  return std::make_unique<FileLog>(std::move(path), least, max_bytes);
}

void MemoryLog::write(LogLevel level, std::string_view room, std::string_view message,
                      Fields /*fields*/) {
  lines_.push_back({level, std::string(room), std::string(message)});
}

std::vector<MemoryLog::Line> MemoryLog::take_errors() {
  std::vector<Line> errors;
  for (const Line& line : lines_) {
    if (line.level == LogLevel::error) errors.push_back(line);
  }
  std::erase_if(lines_, [](const Line& line) { return line.level == LogLevel::error; });
  return errors;
}

}  // namespace ruche
