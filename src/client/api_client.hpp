// The client of the API: calls by method record, tasks, events and consoles. It survives a restart
// of the daemon: what can be repeated without harm is repeated.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/secret.hpp"
#include "methods/method.hpp"
#include "model/views.hpp"
#include "net/http_client.hpp"
#include "net/sse.hpp"

namespace ruche::client {

// What a method is called with. Only what was given is sent.
struct Arguments {
  std::vector<std::pair<std::string, std::string>> path;  // {vm} → web1
  net::Query query;
  std::string body;             // JSON; empty: none
  std::string idempotency_key;  // empty: a fresh one for methods that make tasks
  std::string if_match;         // an etag
  Duration patience{0};         // how much longer than usual the answer may take
};

// From a request object of the method's own type.
Arguments arguments_of(const methods::Method& method, const void* request);
template <class Request>
Arguments arguments_of(const methods::Method& method, const Request& request) {
  return arguments_of(method, static_cast<const void*>(&request));
}

struct ApiClientOptions {
  Duration deadline{60'000};  // of one answer, beside what ?wait= asks for
  // How long a call is repeated when the daemon went away in the midst of it.
  Duration patience{15'000};
  std::string authority = "localhost";  // the server's name and port, for the Host field
  Secret<std::string> token = {};       // who asks; empty: the socket says it
};

// A text frame of a console: something other than output.
struct ConsoleMessage {
  std::string data;           // output
  std::size_t gap_bytes = 0;  // lost before `data`
};
class Console {
 public:
  virtual ~Console() = default;
  // nullopt: the guest or the daemon ended it.
  virtual Async<std::optional<ConsoleMessage>> read() = 0;
  virtual Async<void> write(std::string data) = 0;
  virtual Async<void> resize(unsigned columns, unsigned rows) = 0;
};

// The bytes of a guest's screen (RFB), cut anywhere.
class ScreenConnection {
 public:
  virtual ~ScreenConnection() = default;
  virtual Async<std::string> read() = 0;  // empty: the guest or the daemon ended it
  virtual Async<void> write(std::string data) = 0;
};

class ApiClient {
 public:
  using Options = ApiClientOptions;
  // The clock and random outlive the client.
  ApiClient(Clock& clock, Random& random, net::Connector connector, Options options);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  // Any request. An answer of 400 or more is thrown as the error that it tells; no answer throws
  // net::RequestFailed.
  // `patience`: how much longer than usual the answer may take.
  Async<net::HttpResponse> send(net::HttpRequest request, Duration patience = Duration{0});
  Async<net::HttpResponse> call(const methods::Method& method, Arguments arguments);
  template <class Result>
  Async<Result> call_as(const methods::Method& method, Arguments arguments) {
    net::HttpResponse response = co_await call(method, std::move(arguments));
    co_return json::decode<Result>(response.body, {.unknown_fields = json::UnknownFields::ignore});
  }

  struct TaskWatch {
    std::function<void(const model::TaskView&)> progress;  // at every look
    std::function<void()> reconnecting;                    // the daemon is away; may be empty
    Duration interval{250};
  };
  // Waits until the task has ended, however that ends; also through a restart of the daemon. Throws
  // when the daemon stays away for a minute.
  Async<model::TaskView> wait_for_task(std::string task, TaskWatch watch);

  // Calls `see` for every event until cancelled, and resumes where it was when the daemon returns.
  // Throws when the first connection fails.
  struct Follow {
    net::Query query;  // of event.follow
    std::function<void(const net::ServerSentEvent&)> see;
    std::function<void()> reconnecting;  // may be empty
  };
  Async<void> follow_events(Follow follow);

  Async<std::unique_ptr<Console>> open_console(std::string vm, std::uint32_t port);
  Async<std::unique_ptr<ScreenConnection>> open_screen(std::string vm);

  Clock& clock();

 private:
  Async<std::unique_ptr<net::ClientWebSocket>> open_socket(std::string_view method,
                                                           Arguments arguments);
  struct State;
  std::unique_ptr<State> state_;
};

// The request target of a call: the path with its parameters filled in, and the query. Throws
// missing_field for a path parameter that was not given.
std::string target_of(const methods::Method& method, const Arguments& arguments);

}  // namespace ruche::client
