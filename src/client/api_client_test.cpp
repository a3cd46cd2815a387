#include "client/api_client.hpp"

#include <fmt/format.h>

#include "methods/tables.hpp"
#include "net/http_test_server.hpp"
#include "net/problem.hpp"

namespace ruche::client {
namespace {

const methods::Method& method(std::string_view id) { return *methods::find(id); }

TEST(Target, FillsInThePath) {
  Arguments arguments;
  arguments.path = {{"vm", "a b/c"}};
  arguments.query = {{"purge", "true"}};
  EXPECT_EQ(target_of(method("vm.delete"), arguments), "/v1/vms/a%20b%2Fc?purge=true");
  EXPECT_THROW(target_of(method("vm.delete"), {}), Error);
}

TEST(Arguments, ComeFromTheRequestObject) {
  const model::DeleteVm remove{.vm = "web1", .purge = true};
  EXPECT_EQ(target_of(method("vm.delete"), arguments_of(method("vm.delete"), remove)),
            "/v1/vms/web1?purge=true&stop=false");
  const model::ShutdownVm shutdown{.vm = "web1"};
  const auto arguments = arguments_of(method("vm.shutdown"), shutdown);
  EXPECT_EQ(target_of(method("vm.shutdown"), arguments), "/v1/vms/web1/shutdown");
  EXPECT_EQ(json::decode<model::ShutdownVm>(arguments.body).vm, "web1");
  const methods::ListEvents events{.kind = model::ObjectKind::image};
  EXPECT_EQ(target_of(method("event.list"), arguments_of(method("event.list"), events)),
            "/v1/events?limit=100&kind=image");
}

struct Seen {
  std::string line, key, last_event_id;
};

class ApiClientTest : public net::HttpServerTest {
 protected:
  ApiClientTest() {
    handler_ = [this](net::HttpExchange& exchange) { return answer_one(exchange); };
    start();
    const auto connector = [this]() -> Async<std::unique_ptr<net::Stream>> { co_return connect(); };
    client = std::make_unique<ApiClient>(loop_.clock(), *random_, connector, ApiClientOptions{});
  }
  ~ApiClientTest() override {
    client.reset();
    end();
  }

  // Answers are taken in order; an empty one breaks the connection.
  Async<void> answer_one(net::HttpExchange& exchange) {
    const auto& headers = exchange.request().headers;
    seen.push_back({fmt::format("{} {}", exchange.request().method, exchange.request().target),
                    std::string(headers.get("Idempotency-Key").value_or("")),
                    std::string(headers.get("Last-Event-ID").value_or(""))});
    if (answers.empty()) throw Error(Reason::internal_error, "one request too many");
    auto answer = std::move(answers.front());
    answers.pop_front();
    if (answer.status != 0) {
      co_await exchange.respond(std::move(answer));
      co_return;
    }
    // A body that never ends properly, as when the daemon is killed.
    const auto stream = co_await exchange.start_stream(200, {});
    co_await stream->write(answer.body.empty() ? "half of" : answer.body);
    throw Error(Reason::internal_error, "killed");
  }
  void will_answer(int status, std::string body) {
    answers.push_back(net::json_response(status, std::move(body)));
  }
  void will_die(std::string after = {}) { answers.push_back({0, {}, std::move(after)}); }
  static std::string task(model::TaskState state) {
    model::TaskView view;
    view.state = state;
    return json::encode(view);
  }

  std::deque<net::HttpResponse> answers;
  std::vector<Seen> seen;
  std::unique_ptr<ApiClient> client;
};

TEST_F(ApiClientTest, DecodesAndIgnoresWhatItDoesNotKnow) {
  will_answer(200, R"({"name":"host7","colour":"red"})");
  Arguments arguments;
  arguments.path = {{"host", "self"}};
  const auto host =
      run_now(loop_, client->call_as<model::HostView>(method("host.show"), arguments));
  EXPECT_EQ(host.name, "host7");
  EXPECT_EQ(seen.at(0).line, "GET /v1/hosts/self");
  EXPECT_EQ(seen.at(0).key, "");
}

TEST_F(ApiClientTest, ThrowsTheServersError) {
  answers.push_back(net::problem_response(Error(Reason::wrong_state, "it runs").remedy("stop it")));
  Arguments arguments;
  arguments.path = {{"vm", "web1"}};
  try {
    run_now(loop_, client->call(method("vm.start"), arguments));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::wrong_state);
    EXPECT_EQ(error.remedy_text(), "stop it");
  }
}

TEST_F(ApiClientTest, RepeatsAChangeUnderTheSameKey) {
  will_die();
  will_answer(202, task(model::TaskState::waiting));
  Arguments arguments;
  arguments.path = {{"vm", "web1"}};
  const auto response = run_now(loop_, client->call(method("vm.start"), arguments));
  EXPECT_EQ(response.status, 202);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_FALSE(seen[0].key.empty());
  EXPECT_EQ(seen[0].key, seen[1].key);
  log_.take_errors();
}

TEST_F(ApiClientTest, WaitsForATaskThroughARestart) {
  will_answer(200, task(model::TaskState::running));
  will_die();
  will_answer(200, task(model::TaskState::running));
  will_answer(200, task(model::TaskState::done));
  int looks = 0;
  int away = 0;
  ApiClient::TaskWatch watch;
  watch.progress = [&looks](const model::TaskView&) { ++looks; };
  watch.reconnecting = [&away] { ++away; };
  const auto ended = run_now(loop_, client->wait_for_task("t1", watch));
  EXPECT_EQ(ended.state, model::TaskState::done);
  EXPECT_EQ(looks, 2);
  EXPECT_LE(away, 1);  // the call itself repeats what it can
  log_.take_errors();
}

TEST_F(ApiClientTest, ResumesEventsWhereTheyBrokeOff) {
  will_die("id: st.1.0\ndata: {}\n\nid: st.2.0\ndata: {}\n\n");
  will_die("id: st.3.0\ndata: {}\n\n");
  std::vector<std::string> ids;
  ApiClient::Follow follow;
  follow.query = {{"kind", "vm"}};
  follow.see = [&ids](const net::ServerSentEvent& event) { ids.push_back(event.id); };
  Scope scope(loop_.executor(), "follow");
  scope.spawn("follow", client->follow_events(std::move(follow)));
  loop_.run_until([&ids] { return ids.size() == 3; }, std::chrono::seconds(5));
  scope.cancel(CancelReason::user);
  loop_.run(scope.join());
  EXPECT_EQ(ids, (std::vector<std::string>{"st.1.0", "st.2.0", "st.3.0"}));
  ASSERT_GE(seen.size(), 2u);
  EXPECT_EQ(seen[0].line, "GET /v1/events?kind=vm");
  EXPECT_EQ(seen[1].last_event_id, "st.2.0");
  log_.take_errors();
}

}  // namespace
}  // namespace ruche::client
