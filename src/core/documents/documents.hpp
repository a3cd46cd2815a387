// Documents: what a value in the store looks like. An envelope names kind and version, so that an
// older document is upgraded step by step when it is read, and a newer one is refused rather than
// half understood.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"
#include "core/documents/keys.hpp"
#include "model/ids.hpp"

namespace ruche::core {

// names/…: the object that holds a unique name.
struct NameRecord {
  Uuid object;
};

// idempotency/…: what a request with this key was answered.
struct IdempotencyRecord {
  std::string fingerprint;
  model::TaskId task;
  Timestamp created_at;
};

inline constexpr std::uint32_t kDocumentVersion = 1;

namespace documents {

std::string wrap(keys::DocumentKind kind, std::string_view data);
// The data inside the envelope, upgraded to kDocumentVersion. Errors: document_unreadable.
std::expected<std::string, Error> unwrap(keys::DocumentKind kind, std::string_view document);

template <class T>
std::string encode(keys::DocumentKind kind, const T& value) {
  return wrap(kind, json::encode(value, {.reveal_secrets = true}));
}
template <class T>
std::expected<T, Error> decode(keys::DocumentKind kind, std::string_view document) {
  auto data = unwrap(kind, document);
  if (!data) return std::unexpected(std::move(data.error()));
  auto value = json::try_decode<T>(*data);
  if (!value) {
    return std::unexpected(Error(Reason::document_unreadable, "a stored document makes no sense")
                               .caused_by(value.error()));
  }
  return value;
}

}  // namespace documents
}  // namespace ruche::core

extern template const ruche::TypeInfo& ruche::type_of<ruche::core::NameRecord>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::core::IdempotencyRecord>();
