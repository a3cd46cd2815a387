// From a verb and a path to the method record.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "methods/method.hpp"

namespace ruche::api {

using PathParameters = std::vector<std::pair<std::string_view, std::string>>;

// What the client can take as an answer; two methods may share verb and path and differ by it.
enum class Wanted { document, event_stream, websocket };

struct Match {
  const methods::Method* method = nullptr;  // null: the path exists, but not with this verb
  PathParameters parameters;
  std::string allow;  // "GET, HEAD, OPTIONS, POST": what the path can do; empty: no such path
};

class Router {
 public:
  // The records outlive the router.
  explicit Router(const std::vector<methods::Method>& methods);
  Match match(std::string_view verb, std::string_view path, Wanted wanted) const;

 private:
  struct Route {
    const methods::Method* method;
    std::vector<std::string_view> segments;  // "{vm}" is a parameter
    std::size_t literals = 0;
  };
  std::vector<Route> routes_;  // those with more literal segments first
};

}  // namespace ruche::api
