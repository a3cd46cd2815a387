#include "api/api_fixture_test.hpp"
#include "base/sha256.hpp"
#include "methods/tables.hpp"

namespace ruche::api {
namespace {

using UploadPage = methods::Page<model::UploadView>;

std::string checksum_of(const std::string& content) {
  Sha256 sum;
  sum.add({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
  return "sha256:" + sum.hex();
}

class Uploads : public ApiTest {
 protected:
  Uploads() {
    authenticator.role = methods::Role::operator_;
    world.run(pool.driver(datastore)->prepare());
  }
  model::UploadView begin(const std::string& content) {
    const auto response = ask("POST", "/v1/uploads",
                              fmt::format(R"({{"size_bytes":{},"checksum":"{}"}})", content.size(),
                                          checksum_of(content)));
    EXPECT_EQ(response.status, 200) << response.body;
    return json::decode<model::UploadView>(response.body);
  }
  static std::string content_path(const model::UploadView& upload, int offset) {
    return fmt::format("/v1/uploads/{}/content?offset_bytes={}", to_text(upload.id), offset);
  }
};

TEST_F(Uploads, ArriveInPiecesAndAreImportedByAnOperator) {
  const auto upload = begin("one two three");
  EXPECT_EQ(upload.user, "tester");
  EXPECT_EQ(upload.datastore, "default");
  EXPECT_EQ(upload.offset, Bytes{});
  auto answer = ask("PUT", content_path(upload, 0), "one ");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(json::decode<model::UploadView>(answer.body).offset, Bytes{4});
  EXPECT_EQ(refused("PUT", content_path(upload, 0), "one ").reason, "wrong-offset");
  EXPECT_EQ(refused("PUT", content_path(upload, 4), "two three, four").reason, "too-long");
  const auto body = fmt::format(R"({{"name":"disk","upload":"{}"}})", to_text(upload.id));
  EXPECT_EQ(refused("POST", "/v1/images", body).reason, "wrong-state");
  EXPECT_EQ(ask("PUT", content_path(upload, 4), "two three").status, 200);
  answer = ask("POST", "/v1/images", body);
  ASSERT_EQ(answer.status, 202) << answer.body;
  const auto task = json::decode<model::TaskView>(answer.body);
  const auto path = "/v1/uploads/" + to_text(upload.id);
  EXPECT_EQ(get<model::UploadView>(path).task, task.id);
  EXPECT_EQ(refused("PUT", content_path(upload, 13), "x").reason, "claimed");
  EXPECT_EQ(refused("DELETE", path).reason, "claimed");
  EXPECT_EQ(refused("POST", "/v1/images", body).reason, "claimed");
}

TEST_F(Uploads, BelongToWhoBeganThem) {
  const auto upload = begin("mine");
  write([&](core::Draft& draft) { draft.upload(upload.id).user = "another"; });
  const auto path = "/v1/uploads/" + to_text(upload.id);
  EXPECT_EQ(refused("GET", path).reason, "no-such-object");
  EXPECT_EQ(refused("PUT", content_path(upload, 0), "mine").reason, "no-such-object");
  EXPECT_EQ(refused("DELETE", path).reason, "no-such-object");
  EXPECT_TRUE(get<UploadPage>("/v1/uploads").items.empty());
  authenticator.role = methods::Role::administrator;
  EXPECT_EQ(get<UploadPage>("/v1/uploads").items.size(), 1u);
  EXPECT_EQ(ask("DELETE", path + "?dry_run=true").status, 200);
  EXPECT_EQ(ask("DELETE", path).status, 200);
  EXPECT_TRUE(get<UploadPage>("/v1/uploads").items.empty());
}

TEST_F(Uploads, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(refused("POST", "/v1/uploads", R"({"size_bytes":1,"checksum":"md5:1"})").reason,
            "bad-format");
  EXPECT_EQ(refused("POST", "/v1/uploads", R"({"size_bytes":0,"checksum":"x"})").reason,
            "out-of-range");
  EXPECT_EQ(refused("GET", "/v1/uploads/nonsense").reason, "no-such-object");
  const auto upload = begin("content");
  const auto path = "/v1/uploads/" + to_text(upload.id) + "/content";
  EXPECT_EQ(refused("PUT", path, "x").reason, "missing-field");
  EXPECT_EQ(refused("PUT", path + "?offset_bytes=-1", "x").reason, "out-of-range");
  authenticator.role = methods::Role::viewer;
  EXPECT_EQ(refused("PUT", path + "?offset_bytes=0", "x").reason, "not-permitted");
}

TEST_F(Uploads, PathsAndUrlsAreForAdministrators) {
  const std::string by_path = R"({"name":"a","path":"/srv/a.qcow2"})";
  const std::string by_url = R"({"name":"b","url":"https://h/b.qcow2"})";
  EXPECT_EQ(refused("POST", "/v1/images", by_path).field, "/path");
  EXPECT_EQ(refused("POST", "/v1/images", by_url).reason, "not-permitted");
  authenticator.role = methods::Role::administrator;
  EXPECT_EQ(ask("POST", "/v1/images", by_path).status, 202);
  EXPECT_EQ(ask("POST", "/v1/images", by_url).status, 202);
  EXPECT_EQ(refused("POST", "/v1/images", R"({"name":"c"})").reason, "missing-field");
  EXPECT_EQ(refused("POST", "/v1/images", R"({"name":"c","path":"/x","url":"http://h"})").reason,
            "bad-spec");
  EXPECT_EQ(refused("POST", "/v1/images", R"({"name":"c","url":"http://u:p@h/x"})").reason,
            "bad-format");
}

TEST_F(Uploads, ThatStandStillAreGivenUpAndLeaveNothing) {
  const auto upload = begin("standing");
  ASSERT_EQ(ask("PUT", content_path(upload, 0), "sta").status, 200);
  world.run(uploads.clean());
  EXPECT_EQ(get<UploadPage>("/v1/uploads").items.size(), 1u);
  world.run_for(std::chrono::hours(25));
  world.run(uploads.clean());
  EXPECT_TRUE(get<UploadPage>("/v1/uploads").items.empty());
  EXPECT_TRUE(storage.files().empty());
}

}  // namespace
}  // namespace ruche::api
