#include "output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.hpp"

namespace ruche::cli {

namespace {

constexpr std::string_view kGreen = "\x1b[32m", kYellow = "\x1b[33m", kRed = "\x1b[31m",
                           kBold = "\x1b[1m", kPlain = "\x1b[0m";

std::string painted(std::string_view text, std::string_view colour, const Look& look) {
  if (!look.colours || colour.empty()) return std::string(text);
  return fmt::format("{}{}{}", colour, text, kPlain);
}

std::string_view colour_of(std::string_view state) {
  constexpr std::array good = {"running", "ready", "available", "done", "ok"};
  constexpr std::array middling = {"paused",    "provisioning", "preparing", "waiting",
                                   "reverting", "unknown",      "degraded"};
  constexpr std::array bad = {"crashed", "broken", "failed", "unavailable", "missing"};
  const auto in = [&](const auto& words) {
    return std::any_of(words.begin(), words.end(), [&](const char* word) { return state == word; });
  };
  if (in(good)) return kGreen;
  if (in(middling)) return kYellow;
  return in(bad) ? kRed : std::string_view();
}

bool is_time(ValueRef value) { return value && value.type->format == "date-time"; }

Timestamp time_of(ValueRef value) {
  const auto time = parse_rfc3339(value.type->get_text(value.value));
  return time ? *time : Timestamp{};
}

bool is_number(const TypeInfo& item, std::string_view path) {
  const AnyObject object(item);
  const auto value = find_value(item, object.get(), path);
  return value && (value.type->shape == Shape::integer || value.type->shape == Shape::number);
}

// A limit of 0 is none.
bool says_no_limit(const methods::Column& column, ValueRef value) {
  return column.title.ends_with("LIMIT") && value && value.type->shape == Shape::integer &&
         value.type->get_integer(value.value) == 0;
}

std::string cell(const TypeInfo& type, const void* item, const methods::Column& column,
                 const Look& look) {
  // A template is a VM that never has another state.
  if (column.title == "STATE" && human_text(find_value(type, item, "template")) == "yes") {
    return "template";
  }
  const auto value = find_value(type, item, column.path);
  if (is_time(value)) {
    if (column.title == "AGE") return age_text(time_of(value), look.now);
    return value.type->get_text(value.value);
  }
  if (says_no_limit(column, value)) return "-";
  auto text = human_text(value);
  return text.empty() ? "-" : text;
}

// "memory_total_bytes" → "Memory total".
std::string title_of(std::string_view field_name) {
  for (const std::string_view suffix : {"_bytes", "_ms", "_at"}) {
    if (field_name.ends_with(suffix)) field_name.remove_suffix(suffix.size());
  }
  std::string title(field_name);
  std::replace(title.begin(), title.end(), '_', ' ');
  if (!title.empty() && title[0] >= 'a' && title[0] <= 'z')
    title[0] = static_cast<char>(title[0] - 32);
  return title;
}

class Details {
 public:
  explicit Details(const Look& look) : look_(look) {}

  void structure(const TypeInfo& type, const void* object, std::size_t indent) {
    std::size_t width = 0;
    for (const auto& field : type.fields) {
      width = std::max(width, display_width(title_of(field.name)));
    }
    for (const auto& field : type.fields) {
      const auto value = find_value(type, object, field.name);
      if (!value) continue;
      member(title_of(field.name), value, indent, width);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  void member(const std::string& title, ValueRef value, std::size_t indent, std::size_t width) {
    const TypeInfo& type = *value.type;
    if (type.shape == Shape::structure) {
      if (human_text(value).empty()) return;
      line(indent, title, "", 0);
      return structure(type, value.value, indent + 2);
    }
    if (type.shape == Shape::list) return list(title, value, indent, width);
    std::string text = human_text(value);
    if (text.empty()) return;
    if (is_time(value)) text += fmt::format(" ({})", distance_text(time_of(value), look_.now));
    if (type.shape == Shape::enumeration) text = coloured_state(text, look_);
    line(indent, title, text, width);
  }

  void list(const std::string& title, ValueRef value, std::size_t indent, std::size_t width) {
    const TypeInfo& type = *value.type;
    const std::size_t count = type.size(value.value);
    if (count == 0) return;
    const auto joined = human_text(value);
    const bool texts = type.element().shape != Shape::structure;
    if (texts && joined.size() <= 60) return line(indent, title, joined, width);
    line(indent, title, "", 0);
    for (std::size_t i = 0; i < count; ++i) {
      text_ += std::string(indent + 2, ' ') +
               human_text({&type.element(), type.at(value.value, i)}) + '\n';
    }
  }

  void line(std::size_t indent, const std::string& title, const std::string& value,
            std::size_t width) {
    text_ += std::string(indent, ' ') + (value.empty() ? title : padded(title, width + 2) + value) +
             '\n';
  }

  const Look& look_;
  std::string text_;
};

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(std::string_view text, std::size_t width, bool right) {
  const auto have = display_width(text);
  const std::string space(have < width ? width - have : 0, ' ');
  return right ? space + std::string(text) : std::string(text) + space;
}

std::string coloured_state(std::string_view state, const Look& look) {
  return painted(state, colour_of(state), look);
}

std::string table_text(const methods::Method& method, const AnyObject& page, const Look& look) {
  const TypeInfo& item = method.result();
  const auto items = find_value(page.type(), page.get(), "items");
  const std::size_t rows = items.type->size(items.value);
  std::vector<std::vector<std::string>> cells(rows);
  std::vector<std::size_t> widths;
  for (const auto& column : method.columns) {
    std::size_t width = display_width(column.title);
    for (std::size_t row = 0; row < rows; ++row) {
      cells[row].push_back(cell(item, items.type->at(items.value, row), column, look));
      width = std::max(width, display_width(cells[row].back()));
    }
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](auto text_of_column) {
    std::string line;
    for (std::size_t c = 0; c < method.columns.size(); ++c) {
      if (c > 0) line += "  ";
      line += text_of_column(c);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  std::vector<bool> right;
  for (const auto& column : method.columns) right.push_back(is_number(item, column.path));
  add_line([&](std::size_t c) {
    return painted(padded(method.columns[c].title, widths[c], right[c]), kBold, look);
  });
  for (const auto& row : cells) {
    add_line([&](std::size_t c) {
      const auto space = padded(row[c], widths[c], right[c]);
      return method.columns[c].title == "STATE" ? painted(space, colour_of(row[c]), look) : space;
    });
  }
  return text;
}

std::string details_text(const TypeInfo& type, const void* object, const Look& look) {
  Details details(look);
  details.structure(type, object, 0);
  return details.take();
}

std::string pretty_json(std::string_view json) {
  std::string out;
  std::size_t depth = 0;
  bool quoted = false;
  const auto new_line = [&] { out += '\n' + std::string(depth * 2, ' '); };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      out += c;
      if (c == '\\' && i + 1 < json.size()) out += json[++i];
      if (c == '"') quoted = false;
      continue;
    }
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '{' || c == '[') {
      out += c;
      const auto next = json.find_first_not_of(" \n\r\t", i + 1);
      if (next != json.npos && json[next] == (c == '{' ? '}' : ']')) {
        out += json[next];
        i = next;
        continue;
      }
      ++depth;
      new_line();
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
      new_line();
      out += c;
    } else if (c == ',') {
      out += c;
      new_line();
    } else {
      out += c;
      if (c == ':') out += ' ';
      if (c == '"') quoted = true;
    }
  }
  return out + '\n';
}

}  // namespace ruche::cli
