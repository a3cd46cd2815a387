#include "progress_bar.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace ruche::cli {

namespace {

constexpr std::size_t kBarWidth = 20;

double fraction_of(const model::Progress& progress) {
  if (progress.parts > 0) return static_cast<double>(progress.parts_ended) / progress.parts;
  if (progress.steps == 0) return 0;
  double step = progress.step;
  if (progress.total.count > 0) {
    step += static_cast<double>(progress.done.count) / static_cast<double>(progress.total.count);
  }
  return std::clamp(step / progress.steps, 0.0, 1.0);
}

std::string now_doing(const model::TaskView& task) {
  const auto& progress = task.progress;
  std::string text = progress.text;
  if (text.empty() && progress.step < task.plan.size()) text = task.plan[progress.step];
  if (progress.total.count > 0) {
    text += fmt::format(" ({} of {})", to_text(progress.done), to_text(progress.total));
  }
  if (task.state == model::TaskState::reverting) text = "taking back: " + text;
  return text;
}

// Of a task for several objects: "7/20  web3, web5".
std::string parts_line(const model::TaskView& task) {
  constexpr std::size_t kMostNamed = 3;
  std::string names;
  std::size_t named = 0;
  for (const auto& part : task.parts) {
    if (!part.task || !model::is_open(part.state) || named++ >= kMostNamed) continue;
    names += (names.empty() ? "" : ", ") + part.object.name;
  }
  if (named > kMostNamed) names += ", …";
  return fmt::format("{}/{}  {}", task.progress.parts_ended, task.progress.parts, names);
}

std::string steps_line(const model::TaskView& task) {
  const auto current = std::min(task.progress.step + 1, std::max(task.progress.steps, 1u));
  return fmt::format("{}/{}  {}", current, task.progress.steps, now_doing(task));
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string progress_line(const model::TaskView& task, std::size_t width, Timestamp now) {
  const auto filled = static_cast<std::size_t>(fraction_of(task.progress) * kBarWidth);
  auto line = fmt::format("{}  [{}{}] {}", task.summary, std::string(filled, '#'),
                          std::string(kBarWidth - filled, '-'),
                          task.progress.parts > 0 ? parts_line(task) : steps_line(task));
  const auto seconds = (now.unix_ms - task.created_at.unix_ms) / 1000;
  if (seconds > 1) line += fmt::format("  {} s", seconds);
  return line.substr(0, width);
}

void ProgressBar::show(const model::TaskView& task) {
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", progress_line(task, terminal_width() - 1, clock_.wall()));
    std::fflush(stderr);
    visible_ = true;
    return;
  }
  if (task.progress.parts > 0) {
    return say(
        fmt::format("{}: {} of {}", task.summary, task.progress.parts_ended, task.progress.parts));
  }
  auto line = fmt::format("{}: step {} of {}: {}", task.summary, task.progress.step + 1,
                          task.progress.steps, now_doing(task));
  if (task.progress.step >= task.progress.steps || line == last_) return;
  fmt::print(stderr, "{}\n", line);
  last_ = std::move(line);
}

void ProgressBar::say(const std::string& line) {
  if (line == last_) return;
  clear();
  fmt::print(stderr, "{}\n", line);
  last_ = line;
}

void ProgressBar::clear() {
  if (!visible_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace ruche::cli
