// Any bytes are a certificate, a key and a fingerprint, or refused; what is accepted is described
// in printable words and survives being written again.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "net/certificate.hpp"

using namespace ruche;

namespace {

void check_printable(const std::string& text) {
  const bool plain = std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (!plain) broken_invariant("a certificate's words reach people as they are");
}

void check_certificate(const std::string& text) {
  try {
    const auto info = net::describe_certificate(text);
    check_printable(info.subject);
    for (const auto& name : info.names) check_printable(name);
    if (net::canonical_fingerprint(info.fingerprint) != info.fingerprint) {
      broken_invariant("a fingerprint is not canonical");
    }
  } catch (const Error& error) {
    if (error.reason() != Reason::bad_certificate) throw;
  }
}

void check_identity(const std::string& text) {
  try {
    const auto checked = net::checked_identity({text, Secret<std::string>(text)}, std::nullopt);
    const auto again = net::checked_identity(checked, std::nullopt);
    if (again.certificate != checked.certificate || again.key != checked.key) {
      broken_invariant("a checked identity does not survive");
    }
  } catch (const Error& error) {
    if (error.reason() != Reason::bad_certificate) throw;
  }
}

void check_fingerprint(const std::string& text) {
  try {
    const auto canonical = net::canonical_fingerprint(text);
    if (net::canonical_fingerprint(canonical) != canonical) {
      broken_invariant("a fingerprint is not canonical");
    }
  } catch (const Error& error) {
    if (error.reason() != Reason::bad_format) throw;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_certificate(text);
  check_identity(text);
  check_fingerprint(text);
  return 0;
}
