// From path, query and body to one object of the method's request type.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/router.hpp"
#include "net/http.hpp"

namespace ruche::api {

// What every method may be asked beside its own fields.
struct CommonQuery {
  std::optional<Duration> wait;  // ?wait=30s
  bool dry_run = false;          // ?dry_run=true
};

inline constexpr Duration kLongestWait{600'000};

// Takes ?wait= and ?dry_run= out of the query; refuses them where they mean nothing.
CommonQuery take_common_query(const methods::Method& method, net::Query& query);

// The object is half-written when it throws. Field paths are JSON pointers, also for the query.
void decode_request(const methods::Method& method, const PathParameters& parameters,
                    const net::Query& query, std::string_view body, void* object);

// A merge patch has no request object: checks the query and gives the patch's text.
std::string_view patch_text(const net::Query& query, std::string_view body);

}  // namespace ruche::api
