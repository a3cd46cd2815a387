// Devices and other parts of a guest are told apart by their names.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace ruche::model {

// Null when none is called so.
template <class T>
const T* find_named(const std::vector<T>& parts, const std::string& name) {
  const auto found = std::ranges::find(parts, name, &T::name);
  return found == parts.end() ? nullptr : &*found;
}
template <class T>
T* find_named(std::vector<T>& parts, const std::string& name) {
  const auto found = std::ranges::find(parts, name, &T::name);
  return found == parts.end() ? nullptr : &*found;
}

}  // namespace ruche::model
