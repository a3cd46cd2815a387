#include "net/certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "net/tls_test_identities.hpp"

namespace ruche::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Timestamp kNow{1'800'000'000'000};
constexpr Duration kYear = std::chrono::hours(24 * 365);

TlsIdentity made() {
  return make_self_signed({.common_name = "host1",
                           .names = {"host1", "localhost", "127.0.0.1", "::1", "not, a name"},
                           .not_before = kNow,
                           .valid_for = kYear});
}

// "bad-certificate at /key: the key …"
std::string refusal(const TlsIdentity& identity, Timestamp now = kNow) {
  try {
    (void)checked_identity(identity, now);
  } catch (const Error& error) {
    return std::string(error.reason_name()) + " at " + error.field() + ": " + error.message();
  }
  return "none";
}

TEST(Certificate, TheOneWeMakeIsGoodForServers) {
  const auto identity = made();
  EXPECT_EQ(refusal(identity), "none");
  const auto info = describe_certificate(identity.certificate);
  EXPECT_EQ(info.subject, "host1");
  EXPECT_THAT(info.names, ElementsAre("host1", "localhost", "127.0.0.1", "::1"));
  EXPECT_TRUE(info.self_signed);
  EXPECT_EQ(info.not_before, kNow);
  EXPECT_EQ(info.not_after.unix_ms, kNow.unix_ms + kYear.count());
  EXPECT_EQ(info.fingerprint.size(), 6U + 32 * 3);
  EXPECT_EQ(canonical_fingerprint(info.fingerprint), info.fingerprint);
  EXPECT_NE(describe_certificate(made().certificate).fingerprint, info.fingerprint);
}

TEST(Certificate, WhatCannotServeIsRefusedWithTheReason) {
  const auto identity = made();
  const auto other = made();
  EXPECT_THAT(refusal({identity.certificate, other.key}),
              HasSubstr("bad-certificate at /key: the key does not belong"));
  EXPECT_THAT(refusal({"", identity.key}), HasSubstr("at /certificate: the text holds no"));
  EXPECT_THAT(refusal({identity.certificate, Secret<std::string>("nonsense")}),
              HasSubstr("at /key: the text holds no private key"));
  EXPECT_THAT(refusal({identity.certificate, Secret<std::string>(kEncryptedKey)}),
              HasSubstr("at /key: the key is encrypted"));
  EXPECT_THAT(refusal(identity, Timestamp{kNow.unix_ms + 2 * kYear.count()}),
              HasSubstr("expired at 2028-"));
  EXPECT_THAT(refusal(identity, Timestamp{kNow.unix_ms - 1000}), HasSubstr("valid only from 2027"));
  EXPECT_THAT(refusal({kWeakCertificate, Secret<std::string>(kWeakKey)}),
              HasSubstr("TLS refuses it"));
  EXPECT_THAT(refusal({kClientCertificate, Secret<std::string>(kClientKey)}),
              HasSubstr("not meant for servers"));
  auto cut = identity.certificate;
  cut.resize(cut.size() / 2);
  EXPECT_THAT(refusal({cut, identity.key}), HasSubstr("bad-certificate at /certificate"));
  EXPECT_THAT(refusal({identity.certificate + cut, identity.key}), HasSubstr("does not parse"));
}

TEST(Certificate, AKeyBesideTheCertificateDoesNotStayThere) {
  const auto identity = made();
  const auto both = identity.certificate + identity.key.reveal();
  const auto checked = checked_identity({both, Secret<std::string>(both)}, kNow);
  EXPECT_EQ(checked.certificate, identity.certificate);
  EXPECT_EQ(checked.key.reveal(), identity.key.reveal());
  EXPECT_NO_THROW((void)checked_identity(identity, std::nullopt));
}

TEST(Certificate, FingerprintsAreTakenAsPeopleCopyThem) {
  std::string digits;
  for (int i = 0; i < 32; ++i) digits += "aB";
  const auto canonical = canonical_fingerprint(digits);
  EXPECT_TRUE(canonical.starts_with("SHA256:AB:AB:"));
  EXPECT_EQ(canonical_fingerprint("sha256:" + digits), canonical);
  EXPECT_EQ(canonical_fingerprint(canonical.substr(7)), canonical);
  for (const std::string& bad : {std::string(), digits.substr(1), digits + "00", "g" + digits,
                                 "sha1:" + digits, std::string(5000, 'a')}) {
    EXPECT_THROW(canonical_fingerprint(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace ruche::net
