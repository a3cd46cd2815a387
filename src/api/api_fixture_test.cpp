#include "api/api_fixture_test.hpp"

#include <algorithm>

namespace ruche::api {

void FakeHistory::append(ports::HistoryRecord record) {
  for (const auto& entry : entries_) {
    if (record.revision.number != 0 && entry.record.kind == record.kind &&
        entry.record.object_id == record.object_id && entry.record.revision == record.revision) {
      return;
    }
  }
  entries_.push_back({++last_, std::move(record)});
}

Async<std::vector<ports::HistoryEntry>> FakeHistory::query(ports::HistoryQuery query) {
  std::vector<ports::HistoryEntry> found;
  const auto take = [&](const ports::HistoryEntry& entry) {
    const bool after = query.newest_first ? query.after == 0 || entry.sequence < query.after
                                          : entry.sequence > query.after;
    if (!after || found.size() >= query.limit) return;
    if (!query.kind.empty() && query.kind != entry.record.kind) return;
    if (!query.object_id.empty() && query.object_id != entry.record.object_id) return;
    found.push_back(entry);
  };
  if (query.newest_first) {
    std::for_each(entries_.rbegin(), entries_.rend(), take);
  } else {
    std::for_each(entries_.begin(), entries_.end(), take);
  }
  co_return found;
}

Async<std::size_t> FakeHistory::prune(ports::HistoryLimits limits) { co_return 0; }

void FakeHistory::forget_before(std::int64_t sequence) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.sequence < sequence; });
}

Async<Identity> FakeAuthenticator::authenticate(const net::HttpRequest& request) {
  if (nobody) throw Error(Reason::not_authenticated, "who are you?");
  co_return Identity{.user = "tester", .role = role, .via = model::AuditVia::socket};
}

Async<void> FakeStream::write(std::string_view bytes) {
  out_ += bytes;
  co_return;
}
Async<void> FakeStream::finish() { co_return; }

FakeExchange::FakeExchange(std::string method, const std::string& target, std::string body)
    : body_(std::move(body)) {
  request_.method = std::move(method);
  request_.target = target;
  auto parsed = net::parse_target(target);
  if (!parsed) throw std::move(parsed.error());
  request_.path = std::move(parsed->path);
  request_.query = std::move(parsed->query);
}

Async<std::string> FakeExchange::read_body(std::size_t limit) { co_return std::move(body_); }
Async<std::optional<std::string>> FakeExchange::read_body_piece() {
  if (body_.empty()) co_return std::nullopt;
  co_return std::exchange(body_, {});
}

Async<void> FakeExchange::respond(net::HttpResponse answer) {
  response = std::move(answer);
  co_return;
}

Async<std::unique_ptr<net::ResponseStream>> FakeExchange::start_stream(int status,
                                                                       net::Headers headers) {
  streaming = true;
  co_return std::make_unique<FakeStream>(streamed);
}

Async<net::WebSocket*> FakeExchange::accept_websocket(net::WebSocketOptions options,
                                                      net::Headers headers) {
  throw Error(Reason::bad_request, "there are no sockets in this test");
  co_return nullptr;
}

namespace {

template <class IdType>
IdType fixed_id(std::uint8_t last) {
  Uuid uuid;
  uuid.bytes = {0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, last};
  return IdType{uuid};
}

}  // namespace

ApiTest::ApiTest()
    : state(sim::MemoryStoreState::make(world.clock(), "st0")),
      store(state->open("host1")),
      inventory(*store, world.clock(), log),
      writer(*store, inventory, world.clock(), world.random()),
      host(fixed_id<model::HostId>(1)),
      datastore(fixed_id<model::DatastoreId>(2)),
      image(fixed_id<model::ImageId>(3)),
      volumes(storage, world.clock(), "host"),
      pool(volumes, inventory, host),
      guests({writer,
              host,
              {.machine_type = "pc-q35-10.0", .overhead = mib(64)},
              network_driver,
              pool,
              sealing}),
      hardware({writer,
                host,
                {.machine_type = "pc-q35-10.0", .overhead = mib(64)},
                network_driver,
                host_info}),
      snapshots({writer,
                 host,
                 {.machine_type = "pc-q35-10.0", .overhead = mib(64)},
                 network_driver,
                 pool}),
      images({writer, host, {{"demo", true}}}),
      uploads({writer, pool, log, host}),
      datastores({writer, host}),
      networks({writer, network_driver, host}),
      tasks(writer),
      settings(writer, host),
      pools(writer, host),
      identity({writer, passwords, host}),
      audit({writer, history.audit(), log, host}),
      hosts(host_info, {.accelerator_reason = "a test", .version = "10.0.2"}),
      inventory_scope(std::make_unique<Scope>(world.executor(), "inventory")) {
  inventory_scope->spawn("inventory", inventory.run());
  world.run(inventory.ready());
  namespace keys = core::keys;
  write([&](core::Draft& draft) {
    const Timestamp now = draft.now();
    draft.create(keys::host_spec(host), model::Host{host, "host1", now});
    draft.take_name("host", "host1", host.value);
    model::HostStatus status{.version = "0.1", .threads = 8, .cpu_level = 3, .memory = gib(64)};
    draft.create(keys::host_status(host), status);
    draft.create(keys::host_ledger(host), model::Ledger{gib(60), {}, 32, 0, 0});
    model::Datastore made{datastore, "default", model::DatastoreKind::dir, "/srv", false,
                          host,      now};
    draft.create(keys::datastore_spec(datastore), made);
    draft.take_name("datastore", "default", datastore.value);
    model::DatastoreStatus room{model::DatastoreState::available, gib(100), gib(10), gib(90)};
    draft.create(keys::datastore_status(datastore), room);
    model::Placement placement{model::ObjectKind::datastore, datastore.value, host};
    draft.create(keys::placement(host, datastore.value), placement);
  });
  write([&](core::Draft& draft) {
    const auto layer_id = fixed_id<model::LayerId>(4);
    model::Layer layer{.id = layer_id,
                       .owner_kind = model::ObjectKind::image,
                       .owner = image.value,
                       .datastore = datastore,
                       .size = gib(1),
                       .state = model::LayerState::ready};
    draft.create(keys::layer(layer_id), layer);
    model::Image made{.id = image,
                      .name = "demo",
                      .datastore = datastore,
                      .disk = layer_id,
                      .size = gib(1),
                      .state = model::ImageState::ready,
                      .created_at = draft.now()};
    draft.create(keys::image(image), made);
    draft.take_name("image", "demo", image.value);
    model::Placement placement{model::ObjectKind::image, image.value, host};
    draft.create(keys::placement(host, image.value), placement);
  });
  restart_server();
}

void ApiTest::restart_server() {
  if (server_scope) {
    server_scope->cancel(CancelReason::shutdown);
    world.run(server_scope->join());
  }
  server_scope = std::make_unique<Scope>(world.executor(), "server");
  server = std::make_unique<ApiServer>(
      Parts{*store,   inventory, guests,   hardware,      snapshots, images, uploads, datastores,
            networks, tasks,     settings, pools,         identity,  audit,  hosts,   live,
            progress, history,   log,      world.clock(), *asked,    host,   "0.1"});
  server_scope->spawn("server", server->run());
  world.loop().run_ready();
}

ApiTest::~ApiTest() {
  server_scope->cancel(CancelReason::shutdown);
  inventory_scope->cancel(CancelReason::shutdown);
  world.run(server_scope->join());
  world.run(inventory_scope->join());
}

net::HttpResponse ApiTest::ask(std::string method, std::string target, std::string body,
                               net::Headers headers) {
  FakeExchange exchange(std::move(method), target, std::move(body));
  exchange.editable().headers = std::move(headers);
  world.run(server->handle(exchange));
  if (!exchange.response) throw Error(Reason::internal_error, "there was no answer");
  return std::move(*exchange.response);
}

net::Problem ApiTest::refused(std::string method, std::string target, std::string body,
                              net::Headers headers) {
  const auto response =
      ask(std::move(method), std::move(target), std::move(body), std::move(headers));
  EXPECT_EQ(response.headers.get("Content-Type"), net::kProblemType) << response.body;
  const auto problem = json::decode<net::Problem>(response.body);
  EXPECT_EQ(problem.status, response.status);
  return problem;
}

void ApiTest::write(std::function<void(core::Draft&)> change) {
  const auto work = [](core::Writer& held, std::function<void(core::Draft&)> inner) -> Async<void> {
    co_await held.transact(std::move(inner));
  };
  world.run(work(writer, std::move(change)));
  world.loop().run_ready();
}

model::GuestId ApiTest::add_vm(const std::string& name, std::function<void(model::Guest&)> change) {
  model::GuestId id;
  write([&](core::Draft& draft) {
    model::Guest guest;
    id = guest.id = draft.new_id<model::GuestId>();
    guest.name = name;
    guest.datastore = datastore;
    guest.image = image;
    guest.created_at = draft.now();
    if (change) change(guest);
    draft.take_name("vm", name, id.value);
    draft.create(core::keys::guest_status(id), model::GuestStatus{model::GuestState::stopped, 1});
    draft.create(core::keys::placement(host, id.value),
                 model::Placement{model::ObjectKind::guest, id.value, host});
    draft.create(core::keys::guest_spec(id), std::move(guest));
  });
  return id;
}

void ApiTest::set_state(model::GuestId id, model::GuestState now) {
  write([&](core::Draft& draft) { draft.guest_status(id).state = now; });
}

void ApiTest::remove_vm(model::GuestId id) {
  const auto name = inventory.find_guest(to_text(id))->spec->value.name;
  write([&](core::Draft& draft) {
    draft.free_name("vm", name);
    draft.erase(core::keys::guest_status(id));
    draft.erase(core::keys::placement(host, id.value));
    draft.erase(core::keys::guest_spec(id));
  });
}

}  // namespace ruche::api
