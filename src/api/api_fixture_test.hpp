// For tests: an API server over the in-memory store, without sockets. No agent works on the tasks.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "api/server.hpp"
#include "base/json.hpp"
#include "core/documents/keys.hpp"
#include "core/inventory/writer.hpp"
#include "net/problem.hpp"
#include "sim/fake_audit.hpp"
#include "sim/fake_networks.hpp"
#include "sim/fake_passwords.hpp"
#include "sim/fake_sealing.hpp"
#include "sim/fake_volumes.hpp"
#include "sim/memory_store.hpp"
#include "sim/sim_world.hpp"

namespace ruche::api {

// Keeps everything; a record with the same kind, object and revision once, as the port says.
class FakeHistory : public ports::History {
 public:
  void append(ports::HistoryRecord record) override;
  Async<std::vector<ports::HistoryEntry>> query(ports::HistoryQuery query) override;
  Async<std::size_t> prune(ports::HistoryLimits limits) override;
  sim::FakeAudit& audit() override { return audit_; }
  void forget_before(std::int64_t sequence);

 private:
  std::vector<ports::HistoryEntry> entries_;
  std::int64_t last_ = 0;
  sim::FakeAudit audit_;
};

// A host that says what the test gave it.
class FakeHostInfo : public ports::HostInfo {
 public:
  Async<model::HostStatus> read() override { co_return model::HostStatus(); }
  Async<model::HostFacts> inspect() override { co_return facts; }
  model::HostFacts facts;
};

class FakeAuthenticator : public Authenticator {
 public:
  Async<Identity> authenticate(const net::HttpRequest& request) override;
  methods::Role role = methods::Role::administrator;
  bool nobody = false;
};

class FakeStream : public net::ResponseStream {
 public:
  explicit FakeStream(std::string& out) : out_(out) {}
  Async<void> write(std::string_view bytes) override;
  Async<void> finish() override;

 private:
  std::string& out_;
};

class FakeExchange : public net::HttpExchange {
 public:
  FakeExchange(std::string method, const std::string& target, std::string body = {});
  const net::HttpRequest& request() const override { return request_; }
  net::HttpRequest& editable() { return request_; }
  Async<std::string> read_body(std::size_t limit = 0) override;
  Async<std::optional<std::string>> read_body_piece() override;
  std::optional<std::uint64_t> body_length() const override { return body_.size(); }
  Async<void> respond(net::HttpResponse response) override;
  Async<std::unique_ptr<net::ResponseStream>> start_stream(int status,
                                                           net::Headers headers) override;
  bool is_websocket_request() const override { return websocket; }
  Async<net::WebSocket*> accept_websocket(net::WebSocketOptions options,
                                          net::Headers headers) override;
  bool responded() const override { return response.has_value() || streaming; }

  std::optional<net::HttpResponse> response;
  bool streaming = false;
  bool websocket = false;
  std::string streamed;

 private:
  net::HttpRequest request_;
  std::string body_;
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  // Runs one request to its end.
  net::HttpResponse ask(std::string method, std::string target, std::string body = {},
                        net::Headers headers = {});
  // Of an answer that must be a problem.
  net::Problem refused(std::string method, std::string target, std::string body = {},
                       net::Headers headers = {});
  template <class T>
  T get(std::string target) {
    const auto response = ask("GET", std::move(target));
    EXPECT_EQ(response.status, 200) << response.body;
    return json::decode<T>(response.body);
  }

  void write(std::function<void(core::Draft&)> change);
  model::GuestId add_vm(const std::string& name, std::function<void(model::Guest&)> change = {});
  void set_state(model::GuestId id, model::GuestState state);
  void remove_vm(model::GuestId id);
  void restart_server();

  sim::SimWorld world;
  std::shared_ptr<sim::MemoryStoreState> state;
  std::unique_ptr<sim::MemoryStore> store;
  MemoryLog log;
  core::Inventory inventory;
  core::Writer writer;
  model::HostId host;
  model::DatastoreId datastore;
  model::ImageId image;
  sim::SimNetworks host_networks;
  sim::FakeNetworks network_driver{host_networks, {}};
  sim::FakeStorage storage;
  sim::FakeVolumeDrivers volumes;
  core::DatastorePool pool;
  sim::FakeSealing sealing{"host1"};
  core::GuestService guests;
  FakeHostInfo host_info;
  core::HardwareService hardware;
  core::SnapshotService snapshots;
  core::ImageService images;
  core::UploadService uploads;
  core::DatastoreService datastores;
  core::NetworkService networks;
  core::TaskService tasks;
  core::SettingsService settings;
  core::PoolService pools;
  sim::FakePasswords passwords;
  FakeHistory history;
  core::IdentityService identity;
  core::AuditKeeper audit;
  core::HostService hosts;
  core::LiveGuests live;
  core::ProgressBoard progress;
  FakeAuthenticator authenticator;
  Authenticator* asked = &authenticator;  // by servers that are started from now on
  std::unique_ptr<ApiServer> server;
  std::unique_ptr<Scope> inventory_scope;
  std::unique_ptr<Scope> server_scope;
};

}  // namespace ruche::api
