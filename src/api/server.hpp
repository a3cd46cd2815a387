// The API: from HTTP requests to the services of core and back. See parts.hpp for what it needs.
#pragma once

#include <memory>
#include <string>

#include "api/parts.hpp"
#include "net/http_server.hpp"

namespace ruche::api {

class ApiServer : public net::HttpHandler {
 public:
  // Aborts when a method record has no handler: that is a defect of the build.
  explicit ApiServer(Parts parts);
  ~ApiServer() override;
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Follows the inventory for the event stream, until cancelled. Requests before that are answered,
  // events begin with it.
  Async<void> run();
  Async<void> handle(net::HttpExchange& exchange) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ruche::api
