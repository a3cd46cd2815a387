#include "net/problem.hpp"

#include <gtest/gtest.h>

namespace ruche::net {
namespace {

TEST(Problem, SurvivesTheWire) {
  const Error first = Error(Reason::process_failed, "qemu-img ended with status 1");
  const Error second =
      Error(Reason::image_refused, "the image cannot be read").at("/source").caused_by(first);
  const Error error = Error(Reason::revision_mismatch, "web1 changed")
                          .at("/if_match")
                          .remedy("read it again")
                          .caused_by(second);
  const HttpResponse response = problem_response(error);
  EXPECT_EQ(response.status, 412);
  EXPECT_EQ(response.headers.get("Content-Type"), kProblemType);

  const Error back = error_of(response);
  EXPECT_EQ(back.reason(), Reason::revision_mismatch);
  EXPECT_EQ(back.code(), ErrorCode::conflict);
  EXPECT_EQ(back.message(), "web1 changed");
  EXPECT_EQ(back.field(), "/if_match");
  EXPECT_EQ(back.remedy_text(), "read it again");
  ASSERT_NE(back.cause(), nullptr);
  EXPECT_EQ(back.cause()->reason(), Reason::image_refused);
  EXPECT_EQ(back.cause()->field(), "/source");
  ASSERT_NE(back.cause()->cause(), nullptr);
  EXPECT_EQ(back.cause()->cause()->reason(), Reason::process_failed);
  EXPECT_EQ(back.full_message(), error.full_message());
}

TEST(Problem, UnderstandsANewerServer) {
  const HttpResponse response{
      409, Headers{{"content-type", "application/problem+json; charset=utf-8"}},
      R"({"type":"urn:ruche:problem:from-the-future","title":"t","status":409,"detail":"d",
          "code":"conflict","reason":"from-the-future","new_field":[1,2]})"};
  const Error error = error_of(response);
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_EQ(error.message(), "d");
}

TEST(Problem, MakesTheBestOfAForeignAnswer) {
  const Headers html{{"Content-Type", "text/html"}};
  const Error error = error_of({503, html, "<h1>\x1b[2J" + std::string(500, 'x')});
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_EQ(error.message().find('\x1b'), std::string::npos);
  EXPECT_LT(error.message().size(), 300U);
  EXPECT_EQ(error_of({401, {}, ""}).code(), ErrorCode::unauthenticated);
  EXPECT_EQ(error_of({418, {}, ""}).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of({500, {}, ""}).code(), ErrorCode::internal);
  const Headers lying{{"Content-Type", std::string(kProblemType)}};
  EXPECT_EQ(error_of({404, lying, "not json"}).code(), ErrorCode::not_found);
  EXPECT_EQ(error_of({404, lying, "{}"}).code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace ruche::net
