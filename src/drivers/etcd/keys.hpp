// Where things are below the prefix: id, data, and the nonces of commits. Base64, as requests carry
// them.
#pragma once

#include <string>
#include <string_view>

#include "base/base64.hpp"
#include "ports/state_store.hpp"

namespace ruche::drivers::etcd {

class Keys {
 public:
  explicit Keys(std::string root) : root_(std::move(root)), data_(root_ + "d/") {}

  std::string id() const { return to_base64(root_ + "id"); }
  std::string nonce(std::string_view nonce) const {
    return to_base64(root_ + "n/" + std::string(nonce));
  }
  std::string data(std::string_view key) const { return to_base64(data_ + std::string(key)); }
  // The end of a range over a prefix; our own prefix sees to it that there always is one.
  std::string end(std::string_view prefix) const {
    return to_base64(ports::prefix_end(data_ + std::string(prefix)));
  }
  // The key as the user of the store knows it.
  std::string ours(std::string_view raw) const {
    if (!raw.starts_with(data_)) {
      throw Error(Reason::protocol_violation, "etcd answered with a key that nobody asked for");
    }
    return std::string(raw.substr(data_.size()));
  }

 private:
  std::string root_;
  std::string data_;
};

}  // namespace ruche::drivers::etcd
