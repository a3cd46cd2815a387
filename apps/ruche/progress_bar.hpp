// How a task goes on: a bar on a terminal, plain lines in a pipe. Writes to standard error.
#pragma once

#include <string>

#include "model/views.hpp"

namespace ruche::cli {

// "[######------]  2/4  Copying disk0 (512 MiB of 1 GiB)", without control characters.
std::string progress_line(const model::TaskView& task, std::size_t width);

class ProgressBar {
 public:
  explicit ProgressBar(bool terminal) : terminal_(terminal) {}
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(const model::TaskView& task);
  void say(const std::string& line);  // above the bar
  void clear();

 private:
  bool terminal_;
  bool visible_ = false;
  std::string last_;
};

}  // namespace ruche::cli
