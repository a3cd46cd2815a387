// Requests to etcd's JSON gateway: fail-over between members, and errors as what they mean.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json_value.hpp"
#include "drivers/etcd/etcd_store.hpp"
#include "net/http_client.hpp"

namespace ruche::drivers::etcd {

// gRPC status codes that etcd answers with (grpc/codes.h).
enum class Code : int {
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  resource_exhausted = 8,
  out_of_range = 11,
  unavailable = 14,
};

// etcd answered, and refused.
class Refusal : public Error {
 public:
  Refusal(Error error, Code code, bool compacted)
      : Error(std::move(error)), code_(code), compacted_(compacted) {}
  Code code() const { return code_; }
  // A compacted and a future revision share one code and differ in their words only.
  bool compacted() const { return compacted_; }
  // This member cannot, another one may.
  bool try_elsewhere() const {
    return code_ == Code::unavailable || code_ == Code::deadline_exceeded;
  }

 private:
  Code code_;
  bool compacted_;
};

class Gateway {
 public:
  Gateway(EtcdOptions options, Clock& clock, Random& random, Log& log);
  ~Gateway();

  // POSTs to a member, and to the next one when it does not answer; waits a little for an election.
  // Every request may arrive more than once. Throws Refusal, or store_unavailable when nobody
  // answers; `may_have_happened` says whether any of them might have acted on it nevertheless.
  using MakeBody = std::function<json::Object(bool may_have_happened)>;
  Async<json::Value> call(std::string path, MakeBody make_body, bool& may_have_happened);
  Async<json::Value> call(std::string path, json::Object body);

  // A streaming answer of one member.
  struct Streaming {
    std::size_t member;
    std::unique_ptr<net::HttpStream> stream;
  };
  Async<Streaming> open(std::string path, json::Object body);
  // Throws when the member cannot reach a quorum.
  Async<void> check(std::size_t member);

  const EtcdOptions& options() const { return options_; }
  Clock& clock() { return clock_; }

 private:
  struct Attempt;
  Async<Attempt> attempt(std::size_t member, std::string path, std::string body);
  void fail_over(std::size_t from, const Error& why);
  net::HttpRequest request(std::string path, std::string body) const;

  EtcdOptions options_;
  Clock& clock_;
  Log& log_;
  std::vector<std::unique_ptr<net::HttpClient>> members_;
  std::size_t current_ = 0;
};

// int64 is a string in the gateway's JSON, and zero is left out.
std::int64_t integer_at(const json::Object& object, std::string_view name);
bool flag_at(const json::Object& object, std::string_view name);
// Bytes are base64, and no bytes are left out.
std::string bytes_at(const json::Object& object, std::string_view name);
// An empty object or array when it is absent. Throws protocol_violation for another type.
const json::Object& object_at(const json::Object& object, std::string_view name);
const json::Array& array_at(const json::Object& object, std::string_view name);
const json::Object& as_object(const json::Value& value);

}  // namespace ruche::drivers::etcd
