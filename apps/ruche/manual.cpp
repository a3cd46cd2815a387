#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "docs.hpp"

namespace ruche::cli {

namespace {

// A character beyond ASCII as groff's name for it; moves behind it.
std::string special(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  std::uint32_t code = first & (0x3f >> more);
  for (std::size_t i = 1; i <= more && at + 1 < text.size(); ++i) {
    code = (code << 6) | (static_cast<unsigned char>(text[++at]) & 0x3f);
  }
  return fmt::format("\\[u{:04X}]", code);
}

// Text as roff: no accidental requests, hyphens that can be copied.
std::string roff(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      out += special(text, i);
    } else if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (i == 0 || text[i - 1] == '\n')) {
      out += "\\&";
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

std::string title(std::string_view page, std::string_view summary) {
  return fmt::format(".TH {} 1 \"\" \"Ruche\" \"Ruche\"\n.SH NAME\n{} \\- {}\n",
                     roff(upper(std::string(page))), roff(page), roff(summary));
}

std::string options_text(const CommandDoc& command) {
  std::string text;
  for (const auto& option : command.options) {
    const auto name = option.positional ? upper(option.name) : option.name;
    text += fmt::format(".TP\n.B {}", roff(name));
    if (!option.hint.empty()) text += fmt::format(" \\fI{}\\fR", roff(option.hint));
    text += fmt::format("\n{}\n", roff(option.help));
  }
  return text;
}

std::string synopsis(const CommandDoc& command) {
  std::string line = fmt::format(".B ruche {}\n", roff(command.words));
  for (const auto& option : command.options) {
    if (!option.positional) continue;
    line += option.required ? fmt::format("\\fI{}\\fR\n", roff(upper(option.name)))
                            : fmt::format("[\\fI{}\\fR]\n", roff(upper(option.name)));
  }
  return line + "[\\fIoptions\\fR]\n";
}

// The description and the examples.
std::string footer_text(const CommandDoc& command) {
  const auto begin = command.footer.find("Examples:\n");
  if (begin == command.footer.npos) return {};
  const auto description = command.footer.substr(0, begin);
  const auto text = command.footer.substr(begin, command.footer.find("\n\n", begin) - begin);
  return fmt::format(".PP\n{}.PP\n.nf\n{}\n.fi\n", roff(description), roff(text));
}

std::string exit_table() {
  std::string text =
      ".SH EXIT STATUS\n.TP\n.B 0\nIt was done.\n.TP\n.B 2\nThe command line makes no sense.\n";
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    text += fmt::format(".TP\n.B {}\n{}\n", exit_code(code), roff(to_string(code)));
  }
  return text + ".TP\n.B 130\nInterrupted; a task that was accepted goes on.\n";
}

std::string main_page(const std::vector<CommandDoc>& commands) {
  const auto& root = commands.front();
  std::string text = title("ruche", "virtual machines on one host or many");
  text += ".SH SYNOPSIS\n.B ruche\n[\\fIoptions\\fR] \\fIcommand\\fR ...\n.SH DESCRIPTION\n";
  text +=
      "Talks to the daemon\n.BR ruched .\nEverywhere an id is accepted, so is the name.\n.SH "
      "COMMANDS\n";
  for (const auto& command : commands) {
    if (command.words.empty() || !command.children.empty()) continue;
    text += fmt::format(".TP\n.B ruche {}\n{}\n", roff(command.words), roff(command.summary));
  }
  text += ".SH OPTIONS\n" + options_text(root) + exit_table();
  text +=
      ".SH ENVIRONMENT\n.TP\n.B RUCHE_SOCKET\nThe daemon's socket, when \\-\\-socket is not "
      "given.\n.TP\n.B RUCHE_CONTEXT\nThe context, when \\-\\-context is not given.\n.TP\n.B "
      "RUCHE_URL, RUCHE_TOKEN, RUCHE_FINGERPRINT\nA server without a context, for scripts; an "
      "empty "
      "fingerprint trusts the system's authorities.\n";
  text +=
      ".TP\n.B NO_COLOR\nNo colours.\n.SH FILES\n.TP\n.I /run/ruche/ruche.sock\nThe socket of the "
      "system's daemon.\n.TP\n.I ~/.config/ruche/contexts.json\nThe servers that were logged in "
      "to.\n";
  return text;
}

std::string group_page(const CommandDoc& group, const std::vector<CommandDoc>& commands) {
  std::string text = title("ruche-" + group.words, group.summary);
  text += ".SH COMMANDS\n";
  for (const auto& command : commands) {
    if (!command.words.starts_with(group.words + " ") || !command.children.empty()) continue;
    text += fmt::format(".SS ruche {}\n{}.PP\n{}.\n", roff(command.words), synopsis(command),
                        roff(command.summary));
    text += options_text(command) + footer_text(command);
  }
  return text + ".SH SEE ALSO\n.BR ruche (1)\n";
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::error_code failure;
  std::filesystem::create_directories(path.parent_path(), failure);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw Error(Reason::io_failed, fmt::format("cannot write {}", path.string()));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> manual_pages(
    const std::vector<CommandDoc>& commands) {
  std::vector<std::pair<std::string, std::string>> pages;
  pages.emplace_back("ruche.1", main_page(commands));
  for (const auto& command : commands) {
    // A group in a group is on the page of the outer one.
    const bool inner = command.words.find(' ') != command.words.npos;
    if (command.words.empty() || command.children.empty() || inner) continue;
    pages.emplace_back("ruche-" + command.words + ".1", group_page(command, commands));
  }
  return pages;
}

void write_docs(const std::string& directory, const std::vector<CommandDoc>& commands) {
  const std::filesystem::path share = std::filesystem::path(directory) / "share";
  for (const auto& [name, text] : manual_pages(commands))
    write_file(share / "man/man1" / name, text);
  write_file(share / "bash-completion/completions/ruche", completion_script("bash", commands));
  write_file(share / "zsh/vendor-completions/_ruche", completion_script("zsh", commands));
  write_file(share / "fish/vendor_completions.d/ruche.fish", completion_script("fish", commands));
}

}  // namespace ruche::cli
