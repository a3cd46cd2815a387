// How a task goes on: a bar on a terminal, plain lines in a pipe. Writes to standard error.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "model/views.hpp"

namespace ruche::cli {

// "Import web  [######------] 2/4  copying (512 MiB of 1 GiB)  12 s", without control characters.
std::string progress_line(const model::TaskView& task, std::size_t width, Timestamp now);

class ProgressBar {
 public:
  // The clock outlives the bar.
  ProgressBar(bool terminal, const Clock& clock) : terminal_(terminal), clock_(clock) {}
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(const model::TaskView& task);
  void say(const std::string& line);  // above the bar
  void clear();

 private:
  bool terminal_;
  const Clock& clock_;
  bool visible_ = false;
  std::string last_;
};

}  // namespace ruche::cli
