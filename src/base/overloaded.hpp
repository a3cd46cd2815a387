// A visitor of a std::variant made of one lambda for each kind.
#pragma once

namespace ruche {

template <class... Kinds>
struct Overloaded : Kinds... {
  using Kinds::operator()...;
};

}  // namespace ruche
