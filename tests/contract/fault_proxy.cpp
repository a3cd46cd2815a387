#include "contract/fault_proxy.hpp"

#include <array>

namespace ruche::contract {

FaultProxy::FaultProxy(Loop& loop, net::TcpAddress upstream)
    : loop_(loop),
      upstream_(std::move(upstream)),
      listener_(net::listen_tcp(loop.executor(), {})),
      scope_(loop.executor(), "proxy") {
  scope_.spawn("accept", accept());
}

FaultProxy::~FaultProxy() {
  scope_.cancel(CancelReason::shutdown);
  loop_.run(scope_.join());
}

net::TcpAddress FaultProxy::address() const {
  const std::string text = listener_->address();  // "tcp:127.0.0.1:4711"
  return {"127.0.0.1", static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)))};
}

void FaultProxy::forward() {
  holding_ = dropping_ = false;
  for (const auto& weak : pairs_) {
    if (const auto pair = weak.lock()) pair->held = false;
  }
  changed_.notify();
}
void FaultProxy::hold_requests() {
  holding_ = true;
  for (const auto& weak : pairs_) {
    if (const auto pair = weak.lock()) pair->held = true;
  }
}
void FaultProxy::forward_new_connections() { holding_ = false; }
void FaultProxy::drop_answers() { dropping_ = true; }

Async<void> FaultProxy::accept() {
  while (true) {
    auto pair = std::make_shared<Pair>();
    pair->client = co_await listener_->accept();
    pair->held = holding_;
    pairs_.push_back(pair);
    scope_.spawn("connection", serve(std::move(pair)));
  }
}

Async<void> FaultProxy::serve(std::shared_ptr<Pair> pair) {
  try {
    pair->server = co_await net::connect_tcp(upstream_);
  } catch (const Error&) {
    co_return;  // the client's end closes with the pair
  }
  std::vector<Async<void>> both;
  both.push_back(pump_requests(pair));
  both.push_back(pump_answers(pair));
  co_await all(std::move(both));
}

Async<void> FaultProxy::pump_requests(std::shared_ptr<Pair> pair) {
  std::array<char, 16384> buffer;
  try {
    while (const auto count = co_await pair->client->read_some(buffer)) {
      while (pair->held) co_await changed_.wait();
      co_await pair->server->write_all(std::string_view(buffer.data(), count));
    }
    // The server is not told that its client has gone: it would drop what is late.
  } catch (const Error&) {
    pair->server->close();
  }
}

Async<void> FaultProxy::pump_answers(std::shared_ptr<Pair> pair) {
  std::array<char, 16384> buffer;
  try {
    while (const auto count = co_await pair->server->read_some(buffer)) {
      if (!dropping_) co_await pair->client->write_all(std::string_view(buffer.data(), count));
    }
    pair->client->close();
  } catch (const Error&) {
    pair->client->close();
  }
}

}  // namespace ruche::contract
