#include "core/documents/documents.hpp"

#include <gtest/gtest.h>

#include <array>

#include "model/host.hpp"

namespace ruche::core {
namespace {

using keys::DocumentKind;

const Uuid kId = *parse_uuid("018f0000-0000-7000-8000-000000000001");
const model::HostId kHost{*parse_uuid("018f0000-0000-7000-8000-000000000002")};

// Every key that is made here is understood here, with its kind and its object.
TEST(Keys, RoundTrip) {
  struct Case {
    std::string key;
    DocumentKind kind;
    Uuid id;
    std::string name;
  };
  const std::array cases = {
      Case{keys::guest_spec({kId}), DocumentKind::guest_spec, kId, ""},
      Case{keys::guest_status({kId}), DocumentKind::guest_status, kId, ""},
      Case{keys::placement(kHost, kId), DocumentKind::placement, kId, ""},
      Case{keys::name("vm", "web1"), DocumentKind::name, {}, "vm/web1"},
      Case{keys::layer({kId}), DocumentKind::layer, kId, ""},
      Case{keys::image({kId}), DocumentKind::image, kId, ""},
      Case{keys::upload({kId}), DocumentKind::upload, kId, ""},
      Case{keys::datastore_spec({kId}), DocumentKind::datastore_spec, kId, ""},
      Case{keys::datastore_status({kId}), DocumentKind::datastore_status, kId, ""},
      Case{keys::pool_spec({kId}), DocumentKind::pool_spec, kId, ""},
      Case{keys::pool_ledger({kId}), DocumentKind::pool_ledger, kId, ""},
      Case{keys::host_spec({kId}), DocumentKind::host_spec, kId, ""},
      Case{keys::host_status({kId}), DocumentKind::host_status, kId, ""},
      Case{keys::host_ledger({kId}), DocumentKind::host_ledger, kId, ""},
      Case{keys::task({kId}), DocumentKind::task, kId, ""},
      Case{keys::uid(1879048192), DocumentKind::uid, {}, "uid/1879048192"},
      Case{keys::idempotency("root", "k"), DocumentKind::idempotency, {}, "idempotency/root/k"},
      Case{keys::idempotency("root", "a/b/c"),
           DocumentKind::idempotency,
           {},
           "idempotency/root/a/b/c"},
      Case{keys::user({kId}), DocumentKind::user, kId, ""},
      Case{keys::token({kId}), DocumentKind::token, kId, ""},
      Case{keys::session({kId}), DocumentKind::session, kId, ""},
      Case{keys::audit(kHost, kId), DocumentKind::audit, kId, ""},
      Case{keys::audit_head(kHost), DocumentKind::audit_head, kHost.value, ""},
      Case{std::string(keys::kSettings), DocumentKind::settings, {}, ""},
  };
  for (const auto& [key, kind, id, name] : cases) {
    const auto parsed = keys::parse(key);
    ASSERT_TRUE(parsed.has_value()) << key;
    EXPECT_EQ(parsed->kind, kind) << key;
    EXPECT_EQ(parsed->id, id) << key;
    EXPECT_EQ(parsed->name, name) << key;
  }
}

TEST(Keys, WhatIsNotOursIsNoDocument) {
  for (const std::string& key :
       {std::string(), std::string("/"), std::string("guests"), std::string("guests/"),
        std::string("guests/web1/spec"), "guests/" + to_text(kId),
        "guests/" + to_text(kId) + "/secret", "guests/" + to_text(kId) + "/spec/more",
        "placements/" + to_text(kId), "tasks/" + to_text(kId) + "/x", std::string("names/vm/web1"),
        std::string("meta/format")}) {
    EXPECT_FALSE(keys::parse(key).has_value()) << key;
  }
}

TEST(Documents, TheEnvelopeNamesKindAndVersion) {
  const model::Host host{kHost, "alpha", {1'800'000'000'000}};
  const auto text = documents::encode(DocumentKind::host_spec, host);
  EXPECT_EQ(text.find(R"({"kind":"host-spec","version":1,"data":{)"), 0u) << text;
  const auto back = documents::decode<model::Host>(DocumentKind::host_spec, text);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->name, "alpha");
  EXPECT_EQ(back->id, kHost);
}

std::string refusal(const std::string& text) {
  const auto decoded = documents::decode<model::Host>(DocumentKind::host_spec, text);
  if (decoded) return "";
  EXPECT_EQ(decoded.error().reason(), Reason::document_unreadable);
  return decoded.error().full_message();
}

TEST(Documents, NonsenseIsRefusedWithItsReason) {
  EXPECT_NE(refusal("nonsense").find("no envelope"), std::string::npos);
  EXPECT_NE(refusal("{}").find("no envelope"), std::string::npos);
  EXPECT_NE(refusal(R"({"kind":"task","version":1,"data":{}})").find("kind task stands where"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"kind":"host-spec","version":2,"data":{}})").find("reads up to 1"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"kind":"host-spec","version":1,"data":{"colour":"red"}})").find("colour"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"kind":"host-spec","version":1,"data":{"name":7}})").find("/name"),
            std::string::npos);
}

}  // namespace
}  // namespace ruche::core
