#include "model/image_format/vmdk_descriptor.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "model/image_format/refusals.hpp"

namespace ruche::model::image_format {

namespace {

constexpr std::string_view kNoParent = "ffffffff";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

// Foreign words in our messages: short and printable.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 64)) out.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  return out;
}

bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if ((a[i] | 0x20) != (b[i] | 0x20)) return false;
  }
  return true;
}

std::string_view next_word(std::string_view& rest) {
  rest = trimmed(rest);
  const auto word = rest.substr(0, rest.find_first_of(" \t"));
  rest.remove_prefix(word.size());
  return word;
}

bool is_extent(std::string_view line) {
  const auto word = next_word(line);
  return same_word(word, "RW") || same_word(word, "RDONLY") || same_word(word, "NOACCESS");
}

// `RW 131072 SPARSE "disk.vmdk"`: the name of this very file, which nobody opens.
std::expected<std::uint64_t, Error> read_extent(std::string_view line) {
  next_word(line);
  const auto count = next_word(line);
  const auto type = next_word(line);
  std::uint64_t sectors = 0;
  const auto read = std::from_chars(count.data(), count.data() + count.size(), sectors);
  if (read.ec != std::errc() || read.ptr != count.data() + count.size()) {
    return std::unexpected(refuse_vmdk("has an extent of no readable size"));
  }
  if (!same_word(type, "SPARSE")) {
    return std::unexpected(
        refuse_vmdk(fmt::format("keeps its data in a {} extent outside this file", shown(type))));
  }
  if (trimmed(line).find('/') != std::string_view::npos) {
    return std::unexpected(refuse_vmdk("names an extent in another directory"));
  }
  return sectors;
}

std::expected<void, Error> read_setting(std::string_view line, VmdkDescriptor& descriptor,
                                        bool& typed, bool& parentless) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return {};
  const auto key = trimmed(line.substr(0, equals));
  const auto value = unquoted(trimmed(line.substr(equals + 1)));
  if (same_word(key, "createType")) {
    descriptor.stream_optimized = same_word(value, "streamOptimized");
    if (!descriptor.stream_optimized && !same_word(value, "monolithicSparse")) {
      return std::unexpected(
          refuse_vmdk(fmt::format("has the type {}, whose data is in other files", shown(value))));
    }
    if (typed) return std::unexpected(refuse_vmdk("names its type twice"));
    typed = true;
  } else if (same_word(key, "parentCID")) {
    if (!same_word(value, kNoParent)) {
      return std::unexpected(refuse_vmdk("stands on a parent image (parentCID)"));
    }
    parentless = true;
  } else if (same_word(key, "parentFileNameHint")) {
    return std::unexpected(refuse_vmdk("names a parent image"));
  }
  return {};
}

}  // namespace

Error refuse_vmdk(std::string what) {
  return refuse("VMDK", std::move(what),
                "Export it as one stream-optimized file (ovftool, or vmware-vdiskmanager -t 5), or "
                "convert it to qcow2 where you trust it.");
}

std::expected<VmdkDescriptor, Error> read_vmdk_descriptor(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  VmdkDescriptor descriptor;
  bool typed = false;
  bool parentless = false;
  int extents = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (is_extent(line)) {
      const auto sectors = read_extent(line);
      if (!sectors) return std::unexpected(sectors.error());
      descriptor.sectors = *sectors;
      ++extents;
      continue;
    }
    const auto ok = read_setting(line, descriptor, typed, parentless);
    if (!ok) return std::unexpected(ok.error());
  }
  if (!typed || !parentless) {
    return std::unexpected(refuse_vmdk("has a descriptor without createType and parentCID"));
  }
  if (extents != 1) {
    return std::unexpected(
        refuse_vmdk(fmt::format("has {} extents; exactly one lies in this file", extents)));
  }
  return descriptor;
}

}  // namespace ruche::model::image_format
