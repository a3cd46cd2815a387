#include "net/http_server.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <vector>

#include "net/handshake_gate.hpp"
#include "net/http_connection.hpp"

namespace ruche::net {
namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::size_t kMostRefusals = 64;  // connections that are being told to go away

template <class F>
class AtEnd {
 public:
  explicit AtEnd(F work) : work_(std::move(work)) {}
  ~AtEnd() { work_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  F work_;
};

}  // namespace

struct HttpServer::State : HttpServerContext {
  State(HttpServerContext shared)
      : HttpServerContext(std::move(shared)),
        gate(options.max_handshakes),
        acceptors(executor, "http listeners"),
        connections(executor, "http connections") {}

  std::vector<std::unique_ptr<Listener>> listeners;
  std::set<HttpConnection*> living;
  std::map<std::string, std::size_t> users;
  std::size_t admitted = 0;  // connections being served, also before their coroutine has begun
  std::size_t refusals = 0;
  HandshakeGate gate;
  bool running = false;
  Signal never;
  Scope acceptors;
  Scope connections;

  void start(Listener& listener) { acceptors.spawn("http listener", accept_loop(listener)); }
  Async<void> accept_loop(Listener& listener);
  void receive(std::unique_ptr<Stream> stream);
  Async<void> greet(std::unique_ptr<Stream> stream);
  void admit(std::unique_ptr<Stream> stream);
  Async<void> serve(std::unique_ptr<Stream> stream, std::string user);
  Async<void> refuse(std::unique_ptr<Stream> stream);
  Async<void> run_connection(HttpConnection& connection, const Error* refusal);
  Async<void> drain();
};

HttpServer::HttpServer(Executor executor, Clock& clock, Random& random, Log& log,
                       HttpHandler& handler, Options options)
    : state_(std::make_shared<State>(HttpServerContext{std::move(executor), clock, random, log,
                                                       handler, std::move(options)})) {}
HttpServer::~HttpServer() = default;

void HttpServer::add_listener(std::unique_ptr<Listener> listener) {
  state_->listeners.push_back(std::move(listener));
  if (state_->running) state_->start(*state_->listeners.back());
}

HttpServer::Statistics HttpServer::statistics() const {
  Statistics now = state_->statistics;
  now.connections = state_->admitted;
  return now;
}

Async<void> HttpServer::run() {
  const auto state = state_;
  state->running = true;
  for (const auto& listener : state->listeners) state->start(*listener);
  std::exception_ptr ended;
  try {
    while (true) co_await state->never.wait();
  } catch (const Cancelled&) {
    ended = std::current_exception();
  }
  co_await uninterrupted(state->drain());
  std::rethrow_exception(ended);
}

Async<void> HttpServer::State::accept_loop(Listener& listener) {
  bool warned = false;  // once for each time of trouble
  while (true) {
    std::unique_ptr<Stream> stream;
    try {
      stream = co_await listener.accept();
    } catch (const Error& failure) {
      if (failure.reason() == Reason::peer_gone) co_return;
      if (!std::exchange(warned, true)) {
        log.warning("net", "cannot accept connections", {{"why", failure.full_message()}});
      }
    }
    if (stream) {
      warned = false;
      receive(std::move(stream));
    } else {
      co_await sleep_for(clock, kAcceptPause);
    }
  }
}

void HttpServer::State::receive(std::unique_ptr<Stream> stream) {
  if (!stream->needs_handshake()) return admit(std::move(stream));
  connections.spawn("handshake", greet(std::move(stream)));
}

// Only who has shaken hands counts as a connection.
Async<void> HttpServer::State::greet(std::unique_ptr<Stream> stream) {
  try {
    const HandshakeGate::Place place(gate, user_of(stream->peer()), *stream);
    co_await with_deadline(clock, options.handshake_timeout, "the handshake", stream->handshake());
  } catch (const Error& failure) {
    ++statistics.failed_handshakes;
    log.debug("net", "a handshake failed",
              {{"peer", stream->peer().address}, {"why", failure.full_message()}});
    co_return;
  }
  if (!draining) admit(std::move(stream));
}

void HttpServer::State::admit(std::unique_ptr<Stream> stream) {
  std::string user = user_of(stream->peer());
  const auto held = users.find(user);
  const bool full = admitted >= options.max_connections ||
                    (held != users.end() && held->second >= options.max_connections_per_user);
  if (!full) {
    ++statistics.accepted;
    ++admitted;
    ++users[user];
    connections.spawn("http connection", serve(std::move(stream), std::move(user)));
    return;
  }
  ++statistics.refused;
  if (refusals >= kMostRefusals) return;  // not even told: the stream closes here
  ++refusals;
  connections.spawn("http refusal", refuse(std::move(stream)));
}

Async<void> HttpServer::State::serve(std::unique_ptr<Stream> stream, std::string user) {
  HttpConnection connection(*this, std::move(stream));
  const AtEnd leave([&] {
    --admitted;
    const auto held = users.find(user);
    if (--held->second == 0) users.erase(held);
  });
  co_await run_connection(connection, nullptr);
}

Async<void> HttpServer::State::refuse(std::unique_ptr<Stream> stream) {
  HttpConnection connection(*this, std::move(stream));
  const AtEnd leave([&] { --refusals; });
  const Error refusal = Error(Reason::too_many_connections, "too many connections")
                            .remedy("close connections that are not needed, or try again later");
  co_await run_connection(connection, &refusal);
}

// Whatever goes wrong in a connection stays in it: a failing child would cancel the others.
Async<void> HttpServer::State::run_connection(HttpConnection& connection, const Error* refusal) {
  living.insert(&connection);
  const AtEnd leave([&] { living.erase(&connection); });
  try {
    co_await connection.run(refusal);
  } catch (const Cancelled&) {
    throw;
  } catch (const std::exception& failure) {
    log.error("net", "a connection failed", {{"why", failure.what()}});
  }
}

Async<void> HttpServer::State::drain() {
  draining = true;
  running = false;
  acceptors.cancel(CancelReason::shutdown);
  co_await acceptors.join();
  listeners.clear();
  gate.close_all();
  const auto told = living;
  for (HttpConnection* connection : told) connection->drain();
  Timer grace(clock, [this] { connections.cancel(CancelReason::shutdown); });
  grace.set(options.shutdown_grace);
  co_await connections.join();
}

}  // namespace ruche::net
