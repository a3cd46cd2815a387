// A value that never reaches a log, an answer or an export. It has no formatter and no stream
// operator; the codec writes kRedacted instead. Memory is wiped when it goes.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace ruche {

inline constexpr std::string_view kRedacted = "(secret)";

void wipe(std::string& text);

template <class T>
class Secret {
 public:
  Secret() = default;
  explicit Secret(T v) : value_(v) { wipe(v); }
  ~Secret() { wipe(value_); }
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other) {
    if (this == &other) return *this;
    T copy(other.value_);
    wipe(value_);
    value_ = std::move(copy);
    return *this;
  }
  // The only way to read it; grep for reveal() to audit.
  const T& reveal() const { return value_; }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  T value_;
};

}  // namespace ruche
