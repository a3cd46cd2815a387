#include "api/router.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>

#include "api/decode.hpp"
#include "base/error.hpp"
#include "methods/tables.hpp"

namespace ruche::api {
namespace {

Match find(std::string_view verb, std::string_view path, Wanted wanted = Wanted::document) {
  static const Router router(methods::all());
  return router.match(verb, path, wanted);
}

TEST(Router, FindsEveryRecordByItsOwnPath) {
  for (const auto& method : methods::all()) {
    std::string path(method.path);
    for (const auto name : method.path_parameters()) {
      const auto hole = "{" + std::string(name) + "}";
      path.replace(path.find(hole), hole.size(), "x1");
    }
    const auto wanted =
        method.answer == methods::Answer::event_stream ? Wanted::event_stream : Wanted::document;
    const auto match = find(methods::to_string(method.verb), path, wanted);
    ASSERT_NE(match.method, nullptr) << path;
    EXPECT_EQ(match.method->id, method.id);
    EXPECT_EQ(match.parameters.size(), method.path_parameters().size());
  }
}

TEST(Router, SaysWhatAPathCanDo) {
  EXPECT_EQ(find("PUT", "/v1/vms").method, nullptr);
  EXPECT_EQ(find("PUT", "/v1/vms").allow, "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(find("GET", "/v1/vms/web1/start").allow, "OPTIONS, POST");
  EXPECT_EQ(find("HEAD", "/v1/vms").method->id, "vm.list");
}

TEST(Router, KnowsWhatIsNotThere) {
  for (const auto* path : {"/", "/v2", "/v1/", "/v1/vms/", "/v1/vms//start", "/v1/vms/a/b/c"}) {
    EXPECT_EQ(find("GET", path).allow, "") << path;
  }
}

TEST(Router, PrefersWordsToParameters) {
  EXPECT_EQ(find("POST", "/v1/images/build").method->id, "image.build");
  EXPECT_EQ(find("GET", "/v1/images/build").method->id, "image.show");
}

TEST(Router, ChoosesByWhatIsWanted) {
  EXPECT_EQ(find("GET", "/v1/events").method->id, "event.list");
  EXPECT_EQ(find("GET", "/v1/events", Wanted::event_stream).method->id, "event.follow");
  EXPECT_EQ(find("GET", "/v1/events", Wanted::websocket).method->id, "event.follow");
  EXPECT_EQ(find("GET", "/v1/vms", Wanted::event_stream).method->id, "vm.list");
}

TEST(Records, AreWellFormed) {
  std::set<std::string_view> ids, commands;
  for (const auto& method : methods::all()) {
    EXPECT_TRUE(ids.insert(method.id).second) << method.id;
    EXPECT_FALSE(method.summary.empty()) << method.id;
    EXPECT_FALSE(method.description.empty()) << method.id;
    if (!method.command.empty()) {
      EXPECT_TRUE(commands.insert(method.command).second) << method.command;
      EXPECT_FALSE(method.examples.empty()) << method.id << " has a command without an example";
    }
    if (method.answer == methods::Answer::list) {
      EXPECT_NE(method.page, nullptr) << method.id;
      EXPECT_FALSE(method.columns.empty()) << method.id;
    }
    for (const auto name : method.path_parameters()) {
      if (method.patch) continue;
      ASSERT_NE(method.request, nullptr) << method.id;
      EXPECT_NE(method.request().find_field(name), nullptr) << method.id << " " << name;
    }
  }
}

// What the records show as examples is what the decoder takes.
TEST(Records, ExampleBodiesDecode) {
  for (const auto& method : methods::all()) {
    for (const auto& example : method.examples) {
      if (example.body.empty()) continue;
      std::vector<std::max_align_t> storage(method.request().bytes / sizeof(std::max_align_t) + 1);
      void* object = storage.data();
      method.request().construct(object);
      PathParameters parameters;
      for (const auto name : method.path_parameters()) parameters.emplace_back(name, "web1");
      if (method.patch) parameters.clear();
      EXPECT_NO_THROW(decode_request(method, parameters, {}, example.body, object)) << example.body;
      method.request().destroy(object);
    }
  }
}

// --- decoding -------------------------------------------------------------------------------

template <class Request>
Request decode(std::string_view id, const PathParameters& parameters, net::Query query,
               std::string_view body) {
  const auto& method = *methods::find(id);
  Request request{};
  take_common_query(method, query);
  decode_request(method, parameters, query, body, &request);
  return request;
}

template <class Request>
std::string refusal(std::string_view id, const PathParameters& parameters, net::Query query,
                    std::string_view body) {
  try {
    decode<Request>(id, parameters, std::move(query), body);
  } catch (const Error& error) {
    return std::string(error.reason_name()) + " " + error.field();
  }
  return "accepted";
}

TEST(Decode, JoinsPathAndBody) {
  const auto request =
      decode<model::ShutdownVm>("vm.shutdown", {{"vm", "web1"}}, {}, R"( {"timeout_ms": 5000} )");
  EXPECT_EQ(request.vm, "web1");
  EXPECT_EQ(request.timeout, Duration{5000});
  EXPECT_EQ(decode<model::VmRef>("vm.start", {{"vm", "web1"}}, {}, "").vm, "web1");
  EXPECT_EQ(decode<model::VmRef>("vm.start", {{"vm", "web1"}}, {}, "{ }").vm, "web1");
  EXPECT_EQ(refusal<model::VmRef>("vm.start", {{"vm", "a\"b"}}, {}, "{}"), "bad-format /vm");
}

TEST(Decode, ThePathCannotBeContradicted) {
  EXPECT_EQ(decode<model::VmRef>("vm.start", {{"vm", "web1"}}, {}, R"({"vm":"web1"})").vm, "web1");
  const auto refused = refusal<model::VmRef>("vm.start", {{"vm", "web1"}}, {}, R"({"vm":"web2"})");
  EXPECT_NE(refused, "accepted");
}

TEST(Decode, TakesTheQueryOfADelete) {
  const auto request = decode<model::DeleteVm>(
      "vm.delete", {{"vm", "web1"}}, {{"purge", "true"}, {"stop", ""}, {"wait", "5s"}}, "");
  EXPECT_TRUE(request.purge);
  EXPECT_TRUE(request.stop);
}

TEST(Decode, SaysExactlyWhatIsWrong) {
  const PathParameters web1 = {{"vm", "web1"}};
  EXPECT_EQ(refusal<model::ShutdownVm>("vm.shutdown", web1, {}, "{"), "malformed-json ");
  EXPECT_EQ(refusal<model::ShutdownVm>("vm.shutdown", web1, {}, "[]"), "wrong-type ");
  EXPECT_EQ(refusal<model::ShutdownVm>("vm.shutdown", web1, {}, R"({"timeout_ms":1})"),
            "out-of-range /timeout_ms");
  EXPECT_EQ(refusal<model::ShutdownVm>("vm.shutdown", web1, {}, R"({"speed":1})"),
            "unknown-field /speed");
  EXPECT_EQ(refusal<model::ShutdownVm>("vm.shutdown", web1, {{"purge", "1"}}, ""),
            "unknown-field /purge");
  EXPECT_EQ(refusal<model::CreateVm>("vm.create", {}, {}, "{}"), "missing-field /name");
  EXPECT_EQ(refusal<model::CreateVm>("vm.create", {}, {}, R"({"name":"A"})"), "bad-name /name");
  EXPECT_EQ(
      refusal<model::CreateVm>("vm.create", {}, {}, R"({"name":"a","disks":[{"size_bytes":1}]})"),
      "out-of-range /disks/0/size_bytes");
  EXPECT_EQ(refusal<methods::ListVms>("vm.list", {}, {{"limit", "0"}}, ""), "out-of-range /limit");
  EXPECT_EQ(refusal<methods::ListVms>("vm.list", {}, {{"limit", "x"}}, ""), "wrong-type /limit");
  EXPECT_EQ(refusal<methods::ListVms>("vm.list", {}, {{"limit", "1"}, {"limit", "2"}}, ""),
            "bad-request /limit");
  EXPECT_EQ(refusal<methods::ListVms>("vm.list", {}, {{"page", "1"}}, ""), "unknown-field /page");
  EXPECT_EQ(refusal<methods::ListVms>("vm.list", {}, {}, "{}"), "bad-request ");
  EXPECT_EQ(refusal<model::VmRef>("vm.start", web1, {{"wait", "soon"}}, ""), "bad-format /wait");
  EXPECT_EQ(refusal<model::VmRef>("vm.start", web1, {{"wait", "1d"}}, ""), "out-of-range /wait");
  EXPECT_EQ(refusal<model::VmRef>("vm.start", web1, {{"dry_run", "maybe"}}, ""),
            "wrong-type /dry_run");
  EXPECT_EQ(refusal<model::VmRef>("vm.show", web1, {{"dry_run", "true"}}, ""),
            "unknown-field /dry_run");
}

}  // namespace
}  // namespace ruche::api
