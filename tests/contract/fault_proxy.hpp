// A network that misbehaves: a TCP proxy which loses answers or keeps requests for later.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "net/stream.hpp"

namespace ruche::contract {

class FaultProxy {
 public:
  // Loop and upstream outlive the proxy.
  FaultProxy(Loop& loop, net::TcpAddress upstream);
  ~FaultProxy();
  net::TcpAddress address() const;

  void forward();                  // everything flows, also what was held
  void hold_requests();            // requests wait here, even when their senders have gone
  void forward_new_connections();  // what is held stays held, the rest flows
  void drop_answers();             // requests go through, answers vanish

 private:
  struct Pair {
    std::unique_ptr<net::Stream> client;
    std::unique_ptr<net::Stream> server;
    bool held = false;
  };
  Async<void> accept();
  Async<void> serve(std::shared_ptr<Pair> pair);
  Async<void> pump_requests(std::shared_ptr<Pair> pair);
  Async<void> pump_answers(std::shared_ptr<Pair> pair);

  Loop& loop_;
  net::TcpAddress upstream_;
  std::unique_ptr<net::Listener> listener_;
  bool holding_ = false;
  bool dropping_ = false;
  std::list<std::weak_ptr<Pair>> pairs_;
  Signal changed_;
  Scope scope_;
};

}  // namespace ruche::contract
