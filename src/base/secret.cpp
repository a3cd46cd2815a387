#include "base/secret.hpp"

#include <string.h>

namespace ruche {

void wipe(std::string& text) {
  text.resize(text.capacity());  // also what a longer value left behind
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace ruche
