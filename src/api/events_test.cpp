#include "api/events.hpp"

#include "api/api_fixture_test.hpp"
#include "methods/tables.hpp"
#include "net/sse.hpp"

namespace ruche::api {
namespace {

using EventPage = methods::Page<model::Event>;

TEST(EventId, RoundTrips) {
  const auto plain = parse_event_id("st0.12.3");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->store_id, "st0");
  EXPECT_EQ(plain->position, (EventPosition{12, 3}));
  EXPECT_EQ(event_id("st0", {12, 3}), "st0.12.3");
  EXPECT_EQ(parse_event_id("st0.12")->position, (EventPosition{12, kWholeRevision}));
  EXPECT_EQ(event_id("st0", {12, kWholeRevision}), "st0.12");
  for (const auto* bad : {"", "st0", ".1", "st0.", "st0.x", "12"})
    EXPECT_FALSE(parse_event_id(bad)) << bad;
}

// Follows events in the background of the test's loop.
class Follower {
 public:
  Follower(sim::SimWorld& world, ApiServer& server, const std::string& target,
           net::Headers headers = {})
      : world_(world), exchange_("GET", target), scope_(world.executor(), "follower") {
    exchange_.editable().headers = std::move(headers);
    exchange_.editable().headers.set("Accept", "text/event-stream");
    scope_.spawn("follow", server.handle(exchange_));
    world_.loop().run_ready();
  }
  ~Follower() {
    scope_.cancel(CancelReason::user);
    world_.run(scope_.join());
  }
  std::vector<model::Event> events() {
    world_.loop().run_ready();
    net::SseParser parser;
    parser.put(exchange_.streamed);
    std::vector<model::Event> all;
    while (auto event = parser.next()) all.push_back(json::decode<model::Event>(event->data));
    return all;
  }
  std::string names() {
    std::string text;
    for (const auto& event : events()) {
      const auto what = event.type == model::EventType::reset
                            ? std::string("reset")
                            : fmt::format("{} {}", enum_name(*event.change), event.object->name);
      text += (text.empty() ? "" : ", ") + what;
    }
    return text;
  }
  const FakeExchange& exchange() const { return exchange_; }

 private:
  sim::SimWorld& world_;
  FakeExchange exchange_;
  Scope scope_;
};

TEST_F(ApiTest, FollowsWhatHappens) {
  Follower all(world, *server, "/v1/events");
  Follower mine(world, *server, "/v1/events?kind=vm&object=web2");
  const auto web1 = add_vm("web1");
  add_vm("web2");
  set_state(web1, model::GuestState::running);
  remove_vm(web1);
  EXPECT_EQ(all.names(), "created web1, created web2, changed web1, deleted web1");
  EXPECT_EQ(mine.names(), "created web2");
  ASSERT_TRUE(all.events()[2].resource.vm);
  EXPECT_EQ(all.events()[2].resource.vm->status.state, model::GuestState::running);
  EXPECT_FALSE(all.events()[3].resource.vm);
}

TEST_F(ApiTest, KeepsAQuietConnectionAwake) {
  Follower all(world, *server, "/v1/events");
  const auto before = all.exchange().streamed.size();
  world.run_for(std::chrono::seconds(40));
  EXPECT_GT(all.exchange().streamed.size(), before);
  EXPECT_TRUE(all.events().empty());
}

TEST_F(ApiTest, ResumesAfterAnEvent) {
  std::string id;
  {
    Follower all(world, *server, "/v1/events");
    add_vm("web1");
    id = all.events().at(0).id;
  }
  add_vm("web2");
  add_vm("web3");
  EXPECT_EQ(Follower(world, *server, "/v1/events?after=" + id).names(),
            "created web2, created web3");
  EXPECT_EQ(Follower(world, *server, "/v1/events", {{"Last-Event-ID", id}}).names(),
            "created web2, created web3");
}

TEST_F(ApiTest, ResumesThroughTheHistoryWhenTheRingHasGoneOn) {
  std::string id;
  {
    Follower all(world, *server, "/v1/events");
    add_vm("web0");
    id = all.events().at(0).id;
  }
  const auto vm = add_vm("busy");
  constexpr int kChanges = static_cast<int>(EventHub::kMostKept) + 300;
  for (int i = 0; i < kChanges; ++i) {
    set_state(vm, i % 2 == 0 ? model::GuestState::running : model::GuestState::paused);
  }
  Follower late(world, *server, "/v1/events?after=" + id);
  const auto events = late.events();
  ASSERT_EQ(events.size(), static_cast<std::size_t>(kChanges) + 1);
  for (const auto& event : events) EXPECT_EQ(event.type, model::EventType::change);
  EXPECT_EQ(events.back().resource.vm->status.state,
            kChanges % 2 == 1 ? model::GuestState::running : model::GuestState::paused);
}

TEST_F(ApiTest, SaysResetWhenItIsTooLate) {
  EXPECT_EQ(Follower(world, *server, "/v1/events?after=otherstore.5.0").names(), "reset");
  EXPECT_EQ(Follower(world, *server, "/v1/events?after=st0.0").names(), "reset");
  EXPECT_EQ(
      refused("GET", "/v1/events?after=nonsense", {}, {{"Accept", "text/event-stream"}}).reason,
      "bad-cursor");
}

TEST_F(ApiTest, NothingIsMissedOverARestart) {
  std::string id;
  {
    Follower all(world, *server, "/v1/events");
    add_vm("web1");
    id = all.events().at(0).id;
  }
  server_scope->cancel(CancelReason::shutdown);
  world.run(server_scope->join());
  add_vm("web2");  // nobody renders it
  restart_server();
  add_vm("web3");
  EXPECT_EQ(Follower(world, *server, "/v1/events?after=" + id).names(),
            "changed web2, created web3");
  const auto past = get<EventPage>("/v1/events?limit=2");
  ASSERT_EQ(past.items.size(), 2u);
  EXPECT_EQ(past.items.back().object->name, "web3");
}

TEST_F(ApiTest, ACompactedStoreMeansReset) {
  std::string id;
  {
    Follower all(world, *server, "/v1/events");
    add_vm("web1");
    id = all.events().at(0).id;
  }
  server_scope->cancel(CancelReason::shutdown);
  world.run(server_scope->join());
  for (int i = 0; i < 5; ++i) add_vm(fmt::format("more{}", i));
  state->compact();
  restart_server();
  EXPECT_EQ(Follower(world, *server, "/v1/events?after=" + id).names(), "reset");
}

TEST_F(ApiTest, ListsPastEvents) {
  for (int i = 0; i < 5; ++i) add_vm(fmt::format("web{}", i));
  const auto newest = get<EventPage>("/v1/events?limit=2&kind=vm");
  ASSERT_EQ(newest.items.size(), 2u);
  EXPECT_EQ(newest.items[0].object->name, "web3");
  EXPECT_TRUE(newest.next.empty());
  const auto web1 = get<EventPage>("/v1/events?object=web1");
  ASSERT_EQ(web1.items.size(), 1u);
  auto page = get<EventPage>("/v1/events?limit=2&after=" + web1.items[0].id);
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].object->name, "web2");
  page = get<EventPage>("/v1/events?limit=2&after=" + page.next);
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].object->name, "web4");
  EXPECT_TRUE(page.next.empty());
}

}  // namespace
}  // namespace ruche::api
