#include "contract/hostile_web_server.hpp"

#include <array>

namespace ruche::contract {

HostileWebServer::HostileWebServer(Loop& loop)
    : loop_(loop), listener_(net::listen_tcp(loop.executor(), {})), scope_(loop.executor(), "web") {
  scope_.spawn("accept", accept());
}

HostileWebServer::~HostileWebServer() {
  scope_.cancel(CancelReason::shutdown);
  loop_.run(drain(scope_));
}

std::string HostileWebServer::url() const {
  const std::string text = listener_->address();  // "tcp:127.0.0.1:4711"
  return "http://" + text.substr(4) + "/file";
}

Async<void> HostileWebServer::accept() {
  while (true) {
    std::shared_ptr<net::Stream> stream = co_await listener_->accept();
    scope_.spawn("connection", serve(std::move(stream)));
  }
}

Async<void> HostileWebServer::serve(std::shared_ptr<net::Stream> stream) {
  std::array<char, 4096> buffer;
  std::string head;
  try {
    while (head.find("\r\n\r\n") == head.npos) {
      const auto count = co_await stream->read_some(buffer);
      if (count == 0) co_return;
      head.append(buffer.data(), count);
    }
    requests.push_back(head);
    const std::string bytes = answer(head);
    co_await stream->write_all(bytes);
    while (endless) co_await stream->write_all(bytes.substr(bytes.size() / 2));
    while (hang) co_await never_.wait();
    stream->shutdown_write();
    while (co_await stream->read_some(buffer) > 0) {
    }
  } catch (const Error&) {
    co_return;  // the client has gone
  }
}

std::string field_of(const std::string& head, const std::string& name) {
  const auto at = head.find("\r\n" + name + ": ");
  if (at == head.npos) return {};
  const auto begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

}  // namespace ruche::contract
