#include "api/router.hpp"

#include <algorithm>
#include <set>

namespace ruche::api {

namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  std::size_t begin = 1;
  while (begin <= path.size()) {
    const auto end = std::min(path.find('/', begin), path.size());
    segments.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

bool same_path(const std::vector<std::string_view>& route,
               const std::vector<std::string_view>& path) {
  if (route.size() != path.size()) return false;
  for (std::size_t i = 0; i < route.size(); ++i) {
    if (is_parameter(route[i]) ? path[i].empty() : route[i] != path[i]) return false;
  }
  return true;
}

bool answers(const methods::Method& method, Wanted wanted) {
  switch (method.answer) {
    case methods::Answer::event_stream:
      return wanted != Wanted::document;
    case methods::Answer::websocket:
      return true;
    default:
      return wanted == Wanted::document;
  }
}

}  // namespace

Router::Router(const std::vector<methods::Method>& methods) {
  for (const auto& method : methods) {
    Route route{&method, split(method.path)};
    for (const auto segment : route.segments) route.literals += is_parameter(segment) ? 0 : 1;
    routes_.push_back(std::move(route));
  }
  std::sort(routes_.begin(), routes_.end(), [](const Route& a, const Route& b) {
    return a.literals != b.literals ? a.literals > b.literals : a.method < b.method;
  });
}

Match Router::match(std::string_view verb, std::string_view path, Wanted wanted) const {
  Match result;
  const auto segments = split(path);
  const Route* chosen = nullptr;
  bool chosen_answers = false;
  std::set<std::string_view> verbs;
  for (const auto& route : routes_) {
    if (!same_path(route.segments, segments)) continue;
    const auto route_verb = methods::to_string(route.method->verb);
    verbs.insert(route_verb);
    if (route_verb != verb && !(verb == "HEAD" && route_verb == "GET")) continue;
    const bool fits = answers(*route.method, wanted);
    if (chosen != nullptr && (chosen_answers || !fits)) continue;
    chosen = &route;
    chosen_answers = fits;
  }
  if (verbs.empty()) return result;
  verbs.insert("OPTIONS");
  if (verbs.contains("GET")) verbs.insert("HEAD");
  for (const auto each : verbs) {
    if (!result.allow.empty()) result.allow += ", ";
    result.allow += each;
  }
  if (chosen == nullptr) return result;
  result.method = chosen->method;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto name = chosen->segments[i];
    if (is_parameter(name))
      result.parameters.emplace_back(name.substr(1, name.size() - 2), segments[i]);
  }
  return result;
}

}  // namespace ruche::api
