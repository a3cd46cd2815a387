#include "core/documents/documents.hpp"

#include <fmt/format.h>

#include <array>

#include "base/json_value.hpp"

namespace ruche::core::documents {

namespace {

struct Envelope {
  std::string kind;
  std::uint32_t version = 0;
  RawJson data;
};
constexpr auto describe(Type<Envelope>) {
  return structure<Envelope>(
      "Envelope", "What every stored document is wrapped in.",
      field<&Envelope::kind>("kind", "What the document is.", {.required = true}),
      field<&Envelope::version>("version", "Version of its layout.", {.required = true, .min = 1}),
      field<&Envelope::data>("data", "The document.", {.required = true}));
}

// One step: changes the data of `kind` from version `from` to `from` + 1.
struct Upgrade {
  keys::DocumentKind kind;
  std::uint32_t from;
  std::string (*apply)(std::string data);
};
// Grows with every change of layout that is not a new optional field; never shrinks.
constexpr std::array<Upgrade, 0> kUpgrades{};

Error unreadable(std::string message) {
  return Error(Reason::document_unreadable, std::move(message));
}

}  // namespace

std::string wrap(keys::DocumentKind kind, std::string_view data) {
  return fmt::format(R"({{"kind":"{}","version":{},"data":{}}})", keys::kind_name(kind),
                     kDocumentVersion, data);
}

std::expected<std::string, Error> unwrap(keys::DocumentKind kind, std::string_view document) {
  auto envelope = json::try_decode<Envelope>(document);
  if (!envelope) {
    return std::unexpected(
        unreadable("a stored document has no envelope").caused_by(envelope.error()));
  }
  if (envelope->kind != keys::kind_name(kind)) {
    return std::unexpected(unreadable(fmt::format("a document of kind {} stands where a {} belongs",
                                                  envelope->kind, keys::kind_name(kind))));
  }
  if (envelope->version > kDocumentVersion) {
    return std::unexpected(
        unreadable(fmt::format("the document has version {}, this Ruche reads up to {}",
                               envelope->version, kDocumentVersion))
            .remedy("upgrade Ruche on this host"));
  }
  std::string data = std::move(envelope->data.text);
  for (std::uint32_t version = envelope->version; version < kDocumentVersion; ++version) {
    for (const auto& upgrade : kUpgrades) {
      if (upgrade.kind == kind && upgrade.from == version) data = upgrade.apply(std::move(data));
    }
  }
  return data;
}

}  // namespace ruche::core::documents

namespace ruche::core {

constexpr auto describe(Type<NameRecord>) {
  return structure<NameRecord>("NameRecord", "Holder of a unique name.",
                               field<&NameRecord::object>("object", "The object."));
}

constexpr auto describe(Type<IdempotencyRecord>) {
  return structure<IdempotencyRecord>(
      "IdempotencyRecord", "What a request with this key was answered.",
      field<&IdempotencyRecord::fingerprint>("fingerprint", "Hash of the request."),
      field<&IdempotencyRecord::task>("task", "The task it made."),
      field<&IdempotencyRecord::created_at>("created_at", "When."));
}

}  // namespace ruche::core

template const ruche::TypeInfo& ruche::type_of<ruche::core::NameRecord>();
template const ruche::TypeInfo& ruche::type_of<ruche::core::IdempotencyRecord>();
