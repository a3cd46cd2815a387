// `ruche vm console`: a raw terminal on a guest's serial line, or a watch over it for scripts.
#pragma once

#include "client/api_client.hpp"
#include "command_line.hpp"

namespace ruche::cli {

inline constexpr char kEscapeKey = 0x1d;  // Ctrl-]

// Looks for a line that matches; a line may come in pieces, and its end is not waited for.
class LineMatcher {
 public:
  // Throws bad_format. Empty: nothing ever matches.
  explicit LineMatcher(const std::string& regex);
  ~LineMatcher();
  LineMatcher(const LineMatcher&) = delete;
  LineMatcher& operator=(const LineMatcher&) = delete;
  bool feed(std::string_view output);

 private:
  bool matches_line() const;
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
  std::string line_;
};

// The exit code. Ends with the escape key, when a line matches, or when the guest has stopped; goes
// on when the daemon restarts.
Async<int> run_console(client::ApiClient& client, ConsoleCommand command, bool input_is_terminal,
                       bool output_is_terminal);

}  // namespace ruche::cli
