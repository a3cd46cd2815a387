#include "password.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.hpp"

namespace ruche::cli {

namespace {

constexpr std::size_t kLongest = 1024;

// The terminal even when input or output goes elsewhere; its echo is off while this lives.
class QuietTerminal {
 public:
  QuietTerminal() : descriptor_(::open("/dev/tty", O_RDWR | O_CLOEXEC)) {
    if (descriptor_ < 0 || ::tcgetattr(descriptor_, &before_) != 0) {
      if (descriptor_ >= 0) ::close(descriptor_);
      throw Error(Reason::bad_request, "there is no terminal to ask for the password")
          .remedy("use --password-stdin");
    }
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(descriptor_, TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() {
    ::tcsetattr(descriptor_, TCSAFLUSH, &before_);
    ::close(descriptor_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  int descriptor() const { return descriptor_; }
  void say(const std::string& text) const {
    if (::write(descriptor_, text.data(), text.size()) < 0) return;  // nothing else to say it with
  }

 private:
  int descriptor_;
  termios before_{};
};

// Byte by byte: what comes after the line is not ours to take.
Secret<std::string> line_from(int descriptor) {
  std::string line;
  line.reserve(kLongest + 1);
  char c = 0;
  while (line.size() <= kLongest && ::read(descriptor, &c, 1) == 1 && c != '\n') line.push_back(c);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  Secret<std::string> secret(line);
  wipe(line);
  return secret;
}

}  // namespace

Secret<std::string> secret_from_terminal(const std::string& prompt) {
  const QuietTerminal terminal;
  terminal.say(prompt + ": ");
  auto secret = line_from(terminal.descriptor());
  terminal.say("\n");
  return secret;
}

Secret<std::string> new_secret_from_terminal(const std::string& name) {
  auto secret = secret_from_terminal("New " + name);
  if (secret_from_terminal("Again") == secret) return secret;
  throw Error(Reason::bad_request, fmt::format("the two are not the same {}", name))
      .remedy("try again");
}

Secret<std::string> secret_from_standard_input() { return line_from(STDIN_FILENO); }

}  // namespace ruche::cli
