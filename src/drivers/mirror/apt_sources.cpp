#include "drivers/mirror/apt_sources.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <optional>

namespace ruche::drivers::mirror {

namespace {

struct Entry {
  std::vector<std::string> types;
  std::vector<std::string> uris;
  std::vector<std::string> suites;
  std::vector<std::string> components;
  std::string signed_by;  // as it stands, a key in the file itself included
  std::string more;       // further fields that matter: Trusted, Check-Valid-Until
  bool enabled = true;
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void set_option(Entry& entry, const std::string& name, std::string value) {
  if (name == "signed-by") {
    entry.signed_by = std::move(value);
  } else if (name == "trusted") {
    entry.more += "Trusted: " + value + "\n";
  } else if (name == "check-valid-until") {
    entry.more += "Check-Valid-Until: " + value + "\n";
  }
}

// deb [option=value …] uri suite component…
std::optional<Entry> parse_line(std::string_view line) {
  line = line.substr(0, line.find('#'));
  Entry entry;
  const auto open = line.find('[');
  std::string rest(line);
  if (open != std::string_view::npos) {
    const auto close = line.find(']', open);
    if (close == std::string_view::npos) return std::nullopt;
    for (const auto& option : words_of(line.substr(open + 1, close - open - 1))) {
      const auto equals = option.find('=');
      if (equals == std::string::npos) continue;
      auto value = option.substr(equals + 1);
      std::replace(value.begin(), value.end(), ',', ' ');
      set_option(entry, lower(option.substr(0, equals)), std::move(value));
    }
    rest = std::string(line.substr(0, open)) + " " + std::string(line.substr(close + 1));
  }
  const auto words = words_of(rest);
  if (words.size() < 4) return std::nullopt;
  entry.types = {words[0]};
  entry.uris = {words[1]};
  entry.suites = {words[2]};
  entry.components.assign(words.begin() + 3, words.end());
  return entry;
}

void set_field(Entry& entry, const std::string& name, std::string value) {
  if (name == "types") entry.types = words_of(value);
  if (name == "uris") entry.uris = words_of(value);
  if (name == "suites") entry.suites = words_of(value);
  if (name == "components") entry.components = words_of(value);
  const auto word = lower(value);
  if (name == "enabled") entry.enabled = word != "no" && word != "false" && word != "0";
  set_option(entry, name, std::move(value));
}

std::vector<Entry> parse_stanzas(std::string_view text) {
  std::vector<Entry> entries;
  Entry entry;
  std::string name, value;
  const auto finish_field = [&] {
    if (!name.empty()) set_field(entry, name, std::move(value));
    name.clear();
    value.clear();
  };
  const auto finish = [&] {
    finish_field();
    if (!entry.uris.empty()) entries.push_back(std::move(entry));
    entry = Entry{};
  };
  for (auto line : lines_of(text)) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#')) continue;
    if (words_of(line).empty()) {
      finish();
    } else if (line.front() == ' ' || line.front() == '\t') {
      value += "\n" + std::string(line);
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
      finish_field();
      name = lower(line.substr(0, colon));
      line.remove_prefix(colon + 1);
      while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
      value = line;
    }
  }
  finish();
  return entries;
}

std::vector<Entry> parse(const AptFile& file) {
  if (file.name.ends_with(".sources")) return parse_stanzas(file.content);
  std::vector<Entry> entries;
  for (const auto line : lines_of(file.content)) {
    if (auto entry = parse_line(line)) entries.push_back(std::move(*entry));
  }
  return entries;
}

// What of an entry is for this release, if anything.
bool keep_release(Entry& entry, std::string_view codename) {
  const std::string release(codename);
  std::erase_if(entry.suites, [&](const std::string& suite) {
    return suite != release && suite != release + "-updates" && suite != release + "-security";
  });
  std::erase_if(entry.uris, [](const std::string& uri) { return uri.starts_with("cdrom:"); });
  return entry.enabled && has(entry.types, "deb") && has(entry.components, "main") &&
         !entry.suites.empty() && !entry.uris.empty();
}

bool signed_by_debian(const Entry& entry) {
  return entry.signed_by.empty() || entry.signed_by.find("debian") != std::string::npos;
}

std::string render(const Entry& entry) {
  auto text = fmt::format("Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n",
                          fmt::join(entry.uris, " "), fmt::join(entry.suites, " "));
  if (!entry.signed_by.empty()) text += "Signed-By: " + entry.signed_by + "\n";
  return text + entry.more + "\n";
}

}  // namespace

std::string debian_sources(const std::vector<AptFile>& files, std::string_view codename) {
  std::vector<Entry> kept;
  for (const auto& file : files) {
    for (auto& entry : parse(file)) {
      if (keep_release(entry, codename)) kept.push_back(std::move(entry));
    }
  }
  const auto is_release = [&](const Entry& entry) { return has(entry.suites, codename); };
  const bool has_debians = std::any_of(kept.begin(), kept.end(), [&](const Entry& entry) {
    return is_release(entry) && signed_by_debian(entry);
  });
  std::string text;
  bool found = false;
  for (const auto& entry : kept) {
    if (has_debians && !signed_by_debian(entry)) continue;
    found = found || is_release(entry);
    text += render(entry);
  }
  return found ? text : std::string();
}

std::vector<std::string> local_mirrors(std::string_view sources) {
  std::vector<std::string> paths;
  for (const auto& entry : parse_stanzas(sources)) {
    for (const auto& uri : entry.uris) {
      for (const std::string_view scheme : {"file:", "copy:"}) {
        if (!uri.starts_with(scheme)) continue;
        auto path = uri.substr(scheme.size());
        while (path.starts_with("//")) path.erase(0, 1);
        if (path.starts_with('/') && path.size() > 1) paths.push_back(std::move(path));
      }
    }
  }
  return paths;
}

}  // namespace ruche::drivers::mirror
