#include "api/authenticator.hpp"

#include <gtest/gtest.h>

#include "base/stepped_loop.hpp"

namespace ruche::api {
namespace {

Identity ask(std::optional<net::PeerCredentials> credentials) {
  SteppedLoop loop;
  PeerAuthenticator authenticator({.owner_uid = 1000, .owner_name = ""});
  net::HttpRequest request;
  request.peer.credentials = credentials;
  return run_now(loop, authenticator.authenticate(request));
}

Reason refusal(std::optional<net::PeerCredentials> credentials) {
  try {
    ask(credentials);
  } catch (const Error& error) {
    EXPECT_FALSE(error.remedy_text().empty());
    return error.reason();
  }
  return Reason::internal_error;
}

TEST(PeerAuthenticator, RootAndTheOwnerAreAdministrators) {
  EXPECT_EQ(ask(net::PeerCredentials{.uid = 0}).user, "root");
  EXPECT_EQ(ask(net::PeerCredentials{.uid = 0}).role, methods::Role::administrator);
  EXPECT_EQ(ask(net::PeerCredentials{.uid = 1000}).user, "uid-1000");
  EXPECT_EQ(ask(net::PeerCredentials{.uid = 1000}).role, methods::Role::administrator);
}

TEST(PeerAuthenticator, OthersAreNobody) {
  EXPECT_EQ(refusal(net::PeerCredentials{.uid = 1001}), Reason::not_authenticated);
  EXPECT_EQ(refusal(std::nullopt), Reason::not_authenticated);
}

}  // namespace
}  // namespace ruche::api
