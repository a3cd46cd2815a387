// ruche-load: requests over a unix socket or over HTTPS as fast as they are answered; prints one
// JSON line with the rate and the latencies. For tests/bench.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include "base/loop.hpp"
#include "base/random.hpp"
#include "net/http_client.hpp"
#include "net/tls.hpp"

namespace {

using namespace ruche;

struct Options {
  std::string socket;
  std::uint16_t https_port = 0;  // on 127.0.0.1; else the socket
  std::string fingerprint;
  std::string token_file;
  bool new_connections = false;  // one for each request
  int expect = 200;
  std::string path = "/v1/hosts/self";
  int connections = 8;
  int seconds = 5;
};

struct Results {
  std::vector<std::int64_t> latencies_us;
  std::uint64_t failures = 0;
  std::uint64_t connections = 0;
  std::uint64_t bytes = 0;
};

Async<void> ask(net::HttpClient& client, Clock& clock, const Options& options, Instant end,
                Results& results) {
  while (clock.now() < end) {
    net::HttpRequest request;
    request.target = options.path;
    const Instant begun = clock.now();
    const auto answer = co_await client.request(std::move(request), Duration{30'000});
    results.latencies_us.push_back((clock.now() - begun).count());
    results.bytes += answer.body.size();
    if (answer.status != options.expect) ++results.failures;
    if (options.new_connections) client.close_idle();
  }
}

net::Connector connector_of(const Options& options, std::uint64_t& connections) {
  auto connector = net::unix_connector(options.socket);
  if (options.https_port != 0) {
    connector = net::tls_connector(
        net::tcp_connector({"127.0.0.1", options.https_port}),
        {.fingerprint = options.fingerprint, .authorities = {}, .server_name = "localhost"});
  }
  return [connector, &connections] {
    ++connections;
    return connector();
  };
}

Async<void> load(Loop& loop, const Options& options, Results& results) {
  const auto random = system_random();
  net::HttpClient::Options client_options;
  client_options.max_idle = 1;
  if (!options.token_file.empty()) {
    std::ifstream file(options.token_file);
    std::string token;
    std::getline(file, token);
    client_options.fields.set("Authorization", "Bearer " + token);
  }
  // A client for each connection: whoever closes its own closes nobody else's.
  std::vector<std::unique_ptr<net::HttpClient>> clients;
  const Instant end = loop.clock().now() + std::chrono::seconds(options.seconds);
  Scope scope(loop.executor(), "load");
  for (int i = 0; i < options.connections; ++i) {
    clients.push_back(std::make_unique<net::HttpClient>(
        loop.clock(), *random, connector_of(options, results.connections), client_options));
    scope.spawn("connection", ask(*clients.back(), loop.clock(), options, end, results));
  }
  co_await scope.join();
}

void print(Results& results, int seconds) {
  auto& all = results.latencies_us;
  std::ranges::sort(all);
  const auto at = [&](double share) {
    return all.empty() ? 0
                       : all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
  };
  std::printf(
      "{\"requests\":%zu,\"failures\":%llu,\"per_second\":%.0f,\"p50_us\":%lld,"
      "\"p99_us\":%lld,\"bytes\":%llu,\"connections\":%llu}\n",
      all.size(), static_cast<unsigned long long>(results.failures),
      static_cast<double>(all.size()) / seconds, static_cast<long long>(at(0.5)),
      static_cast<long long>(at(0.99)), static_cast<unsigned long long>(results.bytes),
      static_cast<unsigned long long>(results.connections));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Loads the API of a daemon."};
  app.add_option("--socket", options.socket, "Its socket");
  app.add_option("--https-port", options.https_port,
                 "Its port on 127.0.0.1, rather than the socket");
  app.add_option("--fingerprint", options.fingerprint, "Of its certificate");
  app.add_option("--token-file", options.token_file, "Holds an API token");
  app.add_flag("--new-connections", options.new_connections, "One for each request");
  app.add_option("--expect", options.expect, "Status of every answer")->capture_default_str();
  app.add_option("--path", options.path, "What to get")->capture_default_str();
  app.add_option("--connections", options.connections, "At a time")->capture_default_str();
  app.add_option("--seconds", options.seconds, "For so long")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  Loop loop;
  Results results;
  loop.run(load(loop, options, results));
  print(results, options.seconds);
  return results.failures == 0 ? 0 : 1;
}
