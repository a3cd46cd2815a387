#include "core/guests/user_data.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>

namespace ruche::core {

namespace {

using Check = std::expected<void, Error>;

// Where a piece of text stands in what the user gave.
struct Place {
  const std::string& field;
  int first_line = 1;
};

std::unexpected<Error> refuse(const Place& place, int line, const std::string& what) {
  return std::unexpected(
      Error(Reason::bad_user_data, fmt::format("line {}: {}", place.first_line + line - 1, what))
          .at(place.field)
          .remedy("cloud-init schema --config-file FILE checks it too"));
}

// --- cloud-config ------------------------------------------------------------------------------

enum Kind : unsigned { kMapping = 1, kList = 2, kText = 4, kFlag = 8 };

struct Key {
  std::string_view name;
  unsigned kinds;
  unsigned items = 0;  // of a list; 0: anything
};

// The common modules' keys; others are left to cloud-init, which knows more of them every year.
constexpr std::array kKeys = {
    Key{"apt", kMapping},
    Key{"bootcmd", kList, kText | kList},
    Key{"ca_certs", kMapping},
    Key{"chpasswd", kMapping},
    Key{"disable_root", kFlag},
    Key{"disk_setup", kMapping},
    Key{"final_message", kText},
    Key{"fqdn", kText},
    Key{"fs_setup", kList, kMapping},
    Key{"groups", kMapping | kList | kText},
    Key{"growpart", kMapping},
    Key{"hostname", kText},
    Key{"keyboard", kMapping},
    Key{"locale", kText | kFlag},
    Key{"manage_etc_hosts", kText | kFlag},
    Key{"mounts", kList, kList},
    Key{"no_ssh_fingerprints", kFlag},
    Key{"ntp", kMapping},
    Key{"output", kMapping},
    Key{"package_reboot_if_required", kFlag},
    Key{"package_update", kFlag},
    Key{"package_upgrade", kFlag},
    Key{"packages", kList, kText | kList | kMapping},
    Key{"password", kText},
    Key{"phone_home", kMapping},
    Key{"power_state", kMapping},
    Key{"preserve_hostname", kFlag},
    Key{"resize_rootfs", kText | kFlag},
    Key{"rsyslog", kMapping},
    Key{"runcmd", kList, kText | kList},
    Key{"ssh_authorized_keys", kList, kText},
    Key{"ssh_deletekeys", kFlag},
    Key{"ssh_genkeytypes", kList, kText},
    Key{"ssh_import_id", kList, kText},
    Key{"ssh_keys", kMapping},
    Key{"ssh_pwauth", kText | kFlag},
    Key{"swap", kMapping},
    Key{"timezone", kText},
    Key{"users", kMapping | kList | kText, kText | kMapping | kList},
    Key{"write_files", kList, kMapping},
    Key{"yum_repos", kMapping},
};

bool is_flag(const YAML::Node& node) {
  static constexpr std::array<std::string_view, 6> kWords = {"true", "false", "yes",
                                                             "no",   "on",    "off"};
  if (node.Tag() == "!") return false;  // quoted
  std::string word = node.Scalar();
  std::ranges::transform(word, word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return std::ranges::find(kWords, word) != kWords.end();
}

bool is_one_of(const YAML::Node& node, unsigned kinds) {
  if (node.IsMap()) return (kinds & kMapping) != 0;
  if (node.IsSequence()) return (kinds & kList) != 0;
  if (!node.IsScalar()) return false;
  return (kinds & kText) != 0 || ((kinds & kFlag) != 0 && is_flag(node));
}

std::string words_of(unsigned kinds) {
  std::string words;
  const auto add = [&](unsigned kind, const char* word) {
    if ((kinds & kind) != 0) words += (words.empty() ? "" : " or ") + std::string(word);
  };
  add(kMapping, "a mapping");
  add(kList, "a list");
  add(kText, "text");
  add(kFlag, "true or false");
  return words;
}

int line_of(const YAML::Node& node) { return std::max(node.Mark().line, 0) + 1; }

Check check_items(const Place& place, const Key& key, const YAML::Node& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const YAML::Node item = list[i];
    if (key.items != 0 && !is_one_of(item, key.items)) {
      return refuse(place, line_of(item),
                    fmt::format("{}[{}] must be {}", key.name, i, words_of(key.items)));
    }
    if (key.name == "write_files" && !(item["path"] && item["path"].IsScalar())) {
      return refuse(place, line_of(item), fmt::format("{}[{}] has no path", key.name, i));
    }
    if (key.name == "users" && item.IsMap() && !item["name"] && !item["snapuser"]) {
      return refuse(place, line_of(item), fmt::format("{}[{}] has no name", key.name, i));
    }
  }
  return {};
}

Check check_known_keys(const Place& place, const YAML::Node& config) {
  for (const auto& entry : config) {
    if (!entry.first.IsScalar()) {
      return refuse(place, line_of(entry.first), "the key of a module must be text");
    }
    const auto known = std::ranges::find(kKeys, entry.first.Scalar(), &Key::name);
    if (known == kKeys.end() || entry.second.IsNull()) continue;
    if (!is_one_of(entry.second, known->kinds)) {
      return refuse(place, line_of(entry.second),
                    fmt::format("{} must be {}", known->name, words_of(known->kinds)));
    }
    if (!entry.second.IsSequence()) continue;
    if (auto ok = check_items(place, *known, entry.second); !ok) return ok;
  }
  return {};
}

Check parse_yaml(const Place& place, std::string_view text, YAML::Node& parsed) {
  try {
    parsed = YAML::Load(std::string(text));
  } catch (const YAML::Exception& error) {
    return refuse(place, std::max(error.mark.line, 0) + 1, "not YAML: " + error.msg);
  }
  return {};
}

Check check_config(const Place& place, std::string_view text) {
  YAML::Node config;
  if (auto ok = parse_yaml(place, text, config); !ok) return ok;
  if (config.IsNull()) return {};
  if (!config.IsMap()) {
    return refuse(place, line_of(config), "the top level of a cloud-config must be a mapping");
  }
  try {
    return check_known_keys(place, config);
  } catch (const YAML::Exception& error) {
    return refuse(place, std::max(error.mark.line, 0) + 1, error.msg);
  }
}

Check check_archive(const Place& place, std::string_view text) {
  YAML::Node parts;
  if (auto ok = parse_yaml(place, text, parts); !ok) return ok;
  if (parts.IsSequence()) return {};
  return refuse(place, line_of(parts), "the top level of a cloud-config-archive must be a list");
}

// --- other formats -----------------------------------------------------------------------------

std::string_view first_line(std::string_view text) {
  auto line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view without_first_line(std::string_view text) {
  const auto end = text.find('\n');
  return end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
}

Check check_addresses(const Place& place, std::string_view text) {
  int line = 1;
  for (auto rest = without_first_line(text); !rest.empty(); rest = without_first_line(rest)) {
    const auto address = first_line(rest);
    ++line;
    if (address.empty() || address.starts_with('#')) continue;
    if (address.starts_with("http://") || address.starts_with("https://")) continue;
    return refuse(place, line, "an #include names one address a line: http:// or https://");
  }
  return {};
}

int lines_in(std::string_view text) { return static_cast<int>(std::ranges::count(text, '\n')); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

// A part of a MIME message: its head decides what its body is.
Check check_part(const Place& place, std::string_view part) {
  auto end = part.find("\n\n");
  std::size_t gap = 2;
  if (const auto crlf = part.find("\r\n\r\n"); crlf < end) {
    end = crlf;
    gap = 4;
  }
  if (end == std::string_view::npos) {
    return refuse(place, 1, "a part of the message has no empty line after its head");
  }
  const auto head = lower(part.substr(0, end));
  const bool encoded = head.find("content-transfer-encoding: base64") != std::string::npos;
  const auto body = part.substr(end + gap);
  const Place inside{place.field, place.first_line + lines_in(part.substr(0, end + gap))};
  if (encoded || head.find("text/cloud-config") == std::string::npos ||
      head.find("text/cloud-config-archive") != std::string::npos) {
    return {};
  }
  return check_config(inside, body);
}

Check check_message(const Place& place, std::string_view text) {
  const auto head = text.substr(0, std::min(text.find("\n\n"), text.find("\r\n\r\n")));
  const auto at = lower(head).find("boundary=");
  if (lower(head).find("multipart/") == std::string::npos || at == std::string::npos) {
    return refuse(place, 1, "a MIME message must be multipart and name its boundary");
  }
  auto boundary = head.substr(at + 9);
  boundary = boundary.starts_with('"') ? boundary.substr(1, boundary.find('"', 1) - 1)
                                       : boundary.substr(0, boundary.find_first_of("; \t\r\n"));
  if (boundary.empty() || boundary.size() > 70) {
    return refuse(place, 1, "the boundary of a MIME message has 1 to 70 characters");
  }
  const auto mark = "\n--" + std::string(boundary);
  auto begin = text.find(mark, head.size() == 0 ? 0 : head.size() - 1);
  if (begin == std::string_view::npos) {
    return refuse(place, 1, "the boundary of the MIME message is never used");
  }
  while (true) {
    const auto after = begin + mark.size();
    if (text.substr(after, 2) == "--") return {};
    const auto next = text.find(mark, after);
    if (next == std::string_view::npos) {
      return refuse(place, lines_in(text) + 1, "the MIME message has no closing boundary");
    }
    const auto start = std::min(text.find('\n', after), next) + 1;
    const Place here{place.field, place.first_line + lines_in(text.substr(0, start))};
    const auto part = start < next ? text.substr(start, next - start) : std::string_view();
    if (auto ok = check_part(here, part); !ok) return ok;
    begin = next;
  }
}

}  // namespace

std::expected<void, Error> check_user_data(std::string_view text, const std::string& field) {
  const Place place{field};
  if (text.empty()) return {};
  if (text.size() > kLongestUserData) {
    return std::unexpected(Error(Reason::too_long, fmt::format("{} bytes, at most {} are allowed",
                                                               text.size(), kLongestUserData))
                               .at(field)
                               .remedy("keep the data elsewhere and #include it"));
  }
  if (text.find('\0') != std::string_view::npos) {
    return refuse(place, 1, "it holds a zero byte; compressed data is not taken");
  }
  auto header = first_line(text);
  if (lower(header).starts_with("## template: jinja")) {
    // What the template becomes is known to the guest alone.
    const auto second = first_line(without_first_line(text));
    if (second.starts_with("#cloud-config") || second.starts_with("#!")) return {};
    return refuse(place, 2, "a template's second line must be #cloud-config or #!");
  }
  while (!header.empty() && (header.back() == ' ' || header.back() == '\t')) {
    header.remove_suffix(1);
  }
  if (header.starts_with("#!") || header == "#cloud-boothook" || header == "#part-handler") {
    return {};
  }
  if (header == "#cloud-config") return check_config(place, text);
  if (header == "#cloud-config-archive") return check_archive(place, text);
  if (header == "#include" || header == "#include-once") return check_addresses(place, text);
  const auto small = lower(header);
  if (small.starts_with("content-type:") || small.starts_with("mime-version:")) {
    return check_message(place, text);
  }
  return refuse(place, 1,
                "cloud-init would ignore it: the first line must be #cloud-config, #!, "
                "#cloud-boothook, #cloud-config-archive, #include, #part-handler, "
                "## template: jinja or a MIME header");
}

}  // namespace ruche::core
