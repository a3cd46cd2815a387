// Logs are JSON lines on standard error (or a file): time, level, room, message, and the ids that
// the line is about. No values of Secret can be passed: they have no conversion to text.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ruche {

enum class LogLevel { debug, info, warning, error };

// A sink of log lines; passed to whoever logs, never global.
class Log {
 public:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view room, std::string_view message,
                     Fields fields) = 0;

  void debug(std::string_view room, std::string_view message, Fields fields = {}) {
    write(LogLevel::debug, room, message, fields);
  }
  void info(std::string_view room, std::string_view message, Fields fields = {}) {
    write(LogLevel::info, room, message, fields);
  }
  void warning(std::string_view room, std::string_view message, Fields fields = {}) {
    write(LogLevel::warning, room, message, fields);
  }
  void error(std::string_view room, std::string_view message, Fields fields = {}) {
    write(LogLevel::error, room, message, fields);
  }
};

std::unique_ptr<Log> stderr_log(LogLevel least);
// Appends to a file, rotated at `max_bytes` (one old file is kept).
std::unique_ptr<Log> file_log(std::string path, LogLevel least, std::size_t max_bytes);
// Collects lines; a test fails on an unexpected error-level one (tests/support).
class MemoryLog : public Log {
 public:
  struct Line {
    LogLevel level;
    std::string room, message;
  };
  void write(LogLevel level, std::string_view room, std::string_view message,
             Fields fields) override;
  const std::vector<Line>& lines() const { return lines_; }
  std::vector<Line> take_errors();

 private:
  std::vector<Line> lines_;
};

}  // namespace ruche
