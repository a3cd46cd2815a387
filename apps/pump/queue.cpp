#include "queue.hpp"

#include <algorithm>

#include "drivers/qemu/pump_protocol.hpp"

namespace ruche::pump {

namespace protocol = drivers::qemu::pump;

namespace {
bool is_output(const std::string& message) { return message.front() == protocol::kOutput; }
}  // namespace

void Queue::output(std::string_view data) {
  if (data.empty()) return;
  std::string message(1, protocol::kOutput);
  message += data;
  messages_.push_back(std::move(message));
  bytes_ += data.size();
  while (bytes_ > limit_) {
    const auto oldest = std::find_if(messages_.begin(), messages_.end(), is_output);
    const auto lost = oldest->size() - 1;
    gap_ += lost;
    bytes_ -= lost;
    messages_.erase(oldest);
  }
}

void Queue::synced() { messages_.emplace_back(1, protocol::kSynced); }

std::string Queue::front() const {
  if (gap_ == 0) return messages_.front();
  std::string message(1, protocol::kGap);
  for (int byte = 0; byte < 8; ++byte) message += static_cast<char>(gap_ >> (8 * byte));
  return message;
}

void Queue::pop() {
  if (gap_ != 0) {
    gap_ = 0;
    return;
  }
  if (is_output(messages_.front())) bytes_ -= messages_.front().size() - 1;
  messages_.pop_front();
}

}  // namespace ruche::pump
