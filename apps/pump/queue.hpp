// Messages for a daemon that may be slow, or stopped. Output beyond the limit pushes out the
// oldest, and the daemon learns how much it missed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace ruche::pump {

class Queue {
 public:
  explicit Queue(std::size_t limit) : limit_(limit) {}

  void output(std::string_view data);
  void synced();  // answers are never dropped; the daemon asks once per attachment

  bool empty() const { return messages_.empty() && gap_ == 0; }
  // The next message to send; call pop() when it went out.
  std::string front() const;
  void pop();

 private:
  std::size_t limit_;
  std::size_t bytes_ = 0;  // of output in the queue
  std::uint64_t gap_ = 0;  // dropped before the first message
  std::deque<std::string> messages_;
};

}  // namespace ruche::pump
