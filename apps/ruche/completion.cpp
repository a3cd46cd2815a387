#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "docs.hpp"

namespace ruche::cli {

namespace {

// Kinds of object whose names the daemon knows.
constexpr std::array kKinds = {"vm", "image", "datastore", "pool", "host", "task", "context"};

// What belongs to a VM, which stands before it on the command line; and how its list is called.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kParts = {
    {{"snapshot", "snapshot"}, {"schedule", "snapshot.schedule"}}};

std::string long_name(const OptionDoc& option) {
  const auto at = option.name.find("--");
  return at == option.name.npos ? "" : option.name.substr(at, option.name.find(',', at) - at);
}

// "a|b|c" → "a b c"; empty when the hint is a placeholder.
std::string choices(const OptionDoc& option) {
  if (option.hint.find('|') == option.hint.npos || option.hint.find('=') != option.hint.npos)
    return {};
  if (option.hint == "NAME|ID") return {};
  std::string words = option.hint;
  std::replace(words.begin(), words.end(), '|', ' ');
  return words;
}

// "--image" and "IMAGE" are both about images.
std::string word_of(const OptionDoc& option) {
  std::string word = option.positional ? option.name : long_name(option);
  word.erase(0, std::min(word.find_first_not_of('-'), word.size()));
  for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return word;
}

// Whose names fit this option; empty: nobody's.
std::string_view kind_of(const OptionDoc& option) {
  const auto word = word_of(option);
  for (const std::string_view kind : kKinds) {
    if (word == kind) return kind;
  }
  return {};
}

// The list of a VM's parts whose names fit this option; empty: none.
std::string_view part_of(const OptionDoc& option) {
  const auto word = word_of(option);
  for (const auto& [part, list] : kParts) {
    if (word == part) return list;
  }
  return {};
}

std::string flags_of(const CommandDoc& command) {
  std::string flags;
  for (const auto& option : command.options) {
    const auto name = long_name(option);
    if (!name.empty()) flags += (flags.empty() ? "" : " ") + name;
  }
  return flags;
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string names_command(std::string_view kind) {
  return fmt::format("$(ruche __names {} 2>/dev/null)", kind);
}

// In every script `vm` is the first argument of the command.
std::string part_names_command(std::string_view list) {
  return fmt::format("$(ruche __names {} $vm 2>/dev/null)", list);
}

// Of the argument behind the VM.
std::string_view second_part(const CommandDoc& command) {
  for (const auto& option : command.options) {
    if (option.positional && !part_of(option).empty()) return part_of(option);
  }
  return {};
}

std::string_view positional_kind(const CommandDoc& command) {
  for (const auto& option : command.options) {
    if (option.positional) return kind_of(option);
  }
  return {};
}

std::string words_after(const CommandDoc& command) {
  if (!command.children.empty()) return joined(command.children);
  for (const auto& option : command.options) {
    if (option.positional && !choices(option).empty()) return choices(option);
  }
  const auto kind = positional_kind(command);
  return kind.empty() ? "" : names_command(kind);
}

// What may follow an option, as shell words; empty: nothing special.
std::string values_of(const OptionDoc& option) {
  if (const auto words = choices(option); !words.empty()) return words;
  if (const auto part = part_of(option); !part.empty()) return part_names_command(part);
  const auto kind = kind_of(option);
  return kind.empty() ? "" : names_command(kind);
}

constexpr std::string_view kBashHead = R"(# bash completion of ruche, made from its own commands.
_ruche() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local key="" i word values="" words="" vm=""
  local -i taken=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      --context|--socket|-o|--output) ((i++)) ;;
      -*) ;;
      *)
        if ((taken < 2)) || [[ "@GROUPS@" == *"|$key|"* ]]; then
          key="${key:+$key }$word"
          ((taken++))
        elif [[ -z $vm ]]; then
          vm=$word
        fi
        ;;
    esac
  done
  case "$key $prev" in
)";

// The script's beginning, with the groups of two words: "|host certificate|".
std::string head_of(std::string_view head, const std::vector<CommandDoc>& commands) {
  std::string groups = "|";
  for (const auto& command : commands) {
    const bool inner = command.words.find(' ') != command.words.npos;
    if (inner && !command.children.empty()) groups += command.words + "|";
  }
  std::string text(head);
  constexpr std::string_view kHole = "@GROUPS@";
  return text.replace(text.find(kHole), kHole.size(), groups);
}

std::string bash_script(const std::vector<CommandDoc>& commands) {
  std::string script = head_of(kBashHead, commands);
  for (const auto& command : commands) {
    for (const auto& option : command.options) {
      const auto values = values_of(option);
      if (option.positional || values.empty()) continue;
      script += fmt::format("    \"{} {}\") values=\"{}\" ;;\n", command.words, long_name(option),
                            values);
    }
  }
  script += "  esac\n  [[ $prev == -o || $prev == --output ]] && values=\"table json\"\n";
  script += "  [[ $prev == --context ]] && values=\"" + names_command("context") + "\"\n";
  script +=
      "  if [[ -n $values ]]; then COMPREPLY=($(compgen -W \"$values\" -- \"$cur\")); return; fi\n";
  script += "  case \"$key\" in\n";
  for (const auto& command : commands) {
    // The second word may already be an object's name of a one-word command.
    script += fmt::format("    \"{}\"{}) words=\"{}\"; [[ $cur == -* ]] && words=\"{}\" ;;\n",
                          command.words,
                          command.children.empty() && command.words.find(' ') == command.words.npos
                              ? fmt::format("|\"{} \"*", command.words)
                              : "",
                          words_after(command), flags_of(command));
  }
  script += "  esac\n  [[ -n $vm && $cur != -* ]] && case \"$key\" in\n";
  for (const auto& command : commands) {
    const auto part = second_part(command);
    if (part.empty()) continue;
    script += fmt::format("    \"{}\") words=\"{}\" ;;\n", command.words, part_names_command(part));
  }
  script += "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n";
  return script + "complete -o default -F _ruche ruche\n";
}

std::string zsh_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == ':') {
      out += "\\:";
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::string_view kZshHead = R"(#compdef ruche
# zsh completion of ruche, made from its own commands.
_ruche() {
  local key="" word vm="" prev=${words[CURRENT-1]}
  local -i i taken=0
  local -a items values
  for ((i = 2; i < CURRENT; i++)); do
    word=${words[i]}
    case $word in
      --context|--socket|-o|--output) ((i++)) ;;
      -*) ;;
      *)
        if ((taken < 2)) || [[ "@GROUPS@" == *"|$key|"* ]]; then
          key="${key:+$key }$word"
          ((taken++))
        elif [[ -z $vm ]]; then
          vm=$word
        fi
        ;;
    esac
  done
  case "$key $prev" in
)";

std::string zsh_items(const CommandDoc& command, const std::vector<CommandDoc>& commands) {
  std::string items;
  for (const auto& child : command.children) {
    const auto words = command.words.empty() ? child : command.words + " " + child;
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const auto& other) { return other.words == words; });
    items +=
        fmt::format(" '{}:{}'", child, found == commands.end() ? "" : zsh_quoted(found->summary));
  }
  return items;
}

std::string zsh_flags(const CommandDoc& command) {
  std::string items;
  for (const auto& option : command.options) {
    if (option.positional) continue;
    items += fmt::format(" '{}:{}'", long_name(option), zsh_quoted(option.help));
  }
  return items;
}

std::string zsh_script(const std::vector<CommandDoc>& commands) {
  std::string script = head_of(kZshHead, commands);
  for (const auto& command : commands) {
    for (const auto& option : command.options) {
      const auto values = values_of(option);
      if (option.positional || values.empty()) continue;
      script +=
          fmt::format("    \"{} {}\") values=({}) ;;\n", command.words, long_name(option), values);
    }
  }
  script += "    *\" -o\"|*\" --output\") values=(table json) ;;\n";
  script += "    *\" --context\") values=(" + names_command("context") + ") ;;\n  esac\n";
  script += "  if (( ${#values} )); then compadd -a values; return; fi\n  case \"$key\" in\n";
  for (const auto& command : commands) {
    script +=
        fmt::format("    \"{}\")\n      if [[ ${{words[CURRENT]}} == -* ]]; then items=({})\n",
                    command.words, zsh_flags(command));
    if (!command.children.empty()) {
      script += fmt::format("      else items=({}); fi\n", zsh_items(command, commands));
    } else if (const auto part = second_part(command); !part.empty()) {
      script += fmt::format(
          "      elif [[ -n $vm ]]; then values=({}); compadd -a values; return\n"
          "      else values=({}); compadd -a values; return; fi\n",
          part_names_command(part), names_command("vm"));
    } else if (const auto kind = positional_kind(command); !kind.empty()) {
      script += fmt::format("      else values=({}); compadd -a values; return; fi\n",
                            names_command(kind));
    } else {
      script += "      else _files; return; fi\n";
    }
    script += "      ;;\n";
  }
  script += "  esac\n  _describe ruche items\n}\n";
  return script +
         "if [[ ${funcstack[1]} == _ruche ]]; then _ruche \"$@\"; else compdef _ruche ruche; fi\n";
}

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

constexpr std::string_view kFishHead = R"(# fish completion of ruche, made from its own commands.
function __ruche_split
  set -l tokens (commandline -opc)
  set -l key
  set -l vm
  set -l skip 0
  for token in $tokens[2..-1]
    if test $skip -eq 1
      set skip 0
      continue
    end
    switch $token
      case --context --socket -o --output
        set skip 1
      case '-*'
      case '*'
        if test (count $key) -lt 2; or string match -q "*|$key|*" "@GROUPS@"
          set -a key $token
        else if test (count $vm) -eq 0
          set vm $token
        end
    end
  end
  string join ' ' -- $key
  test (count $vm) -eq 0; or echo $vm
end
function __ruche_key
  __ruche_split | head -n 1
end
function __ruche_vm
  __ruche_split | tail -n +2
end
complete -c ruche -f
)";

std::string fish_script(const std::vector<CommandDoc>& commands) {
  std::string script = head_of(kFishHead, commands);
  for (const auto& command : commands) {
    const auto condition = fmt::format("-n 'test (__ruche_key) = \"{}\"'", command.words);
    for (const auto& child : command.children) {
      const auto words = command.words.empty() ? child : command.words + " " + child;
      const auto found = std::find_if(commands.begin(), commands.end(),
                                      [&](const auto& other) { return other.words == words; });
      script += fmt::format("complete -c ruche {} -a {} -d {}\n", condition, child,
                            fish_quoted(found == commands.end() ? "" : found->summary));
    }
    if (const auto part = second_part(command); !part.empty()) {
      const auto with = [&](std::string_view test) {
        return fmt::format("-n 'test (__ruche_key) = \"{}\"; and {} (count (__ruche_vm)) -eq 0'",
                           command.words, test);
      };
      script +=
          fmt::format("complete -c ruche {} -a '(ruche __names vm 2>/dev/null)'\n", with("test"));
      script +=
          fmt::format("complete -c ruche {} -a '(ruche __names {} (__ruche_vm) 2>/dev/null)'\n",
                      with("not test"), part);
    } else if (const auto kind = positional_kind(command); !kind.empty()) {
      script += fmt::format("complete -c ruche {} -a '(ruche __names {} 2>/dev/null)'\n", condition,
                            kind);
    }
    for (const auto& option : command.options) {
      const auto name = long_name(option);
      if (name.empty()) continue;
      script += fmt::format("complete -c ruche {} -l {} -d {}", condition, name.substr(2),
                            fish_quoted(option.help));
      const auto kind = kind_of(option);
      const auto part = part_of(option);
      if (const auto words = choices(option); !words.empty()) {
        script += fmt::format(" -x -a '{}'", words);
      } else if (!part.empty()) {
        script += fmt::format(" -x -a '(ruche __names {} (__ruche_vm) 2>/dev/null)'", part);
      } else if (!kind.empty()) {
        script += fmt::format(" -x -a '(ruche __names {} 2>/dev/null)'", kind);
      } else if (!option.hint.empty()) {
        script += " -r";
      }
      script += '\n';
    }
  }
  return script;
}

}  // namespace

std::string completion_script(std::string_view shell, const std::vector<CommandDoc>& commands) {
  if (shell == "zsh") return zsh_script(commands);
  return shell == "fish" ? fish_script(commands) : bash_script(commands);
}

}  // namespace ruche::cli
