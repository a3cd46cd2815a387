// A web server that says exactly what a test wants, and hangs up.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "net/stream.hpp"

namespace ruche::contract {

class HostileWebServer {
 public:
  explicit HostileWebServer(Loop& loop);
  ~HostileWebServer();
  std::string url() const;

  // From the head of a request, the bytes to send before hanging up.
  std::function<std::string(const std::string& head)> answer;
  bool hang = false;       // says what it has to say and then nothing, without hanging up
  bool endless = false;    // repeats the last 64 KiB for ever
  std::vector<std::string> requests;  // the heads

 private:
  Async<void> accept();
  Async<void> serve(std::shared_ptr<net::Stream> stream);

  Loop& loop_;
  std::unique_ptr<net::Listener> listener_;
  Signal never_;
  Scope scope_;
};

// The value of a field of a request's head; empty when it is absent.
std::string field_of(const std::string& head, const std::string& name);

}  // namespace ruche::contract
