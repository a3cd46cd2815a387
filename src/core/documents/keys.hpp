// The layout of the store: every key is made here. docs/documents.md describes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/ids.hpp"
#include "model/placement.hpp"

namespace ruche::core::keys {

std::string guest_spec(model::GuestId id);
std::string guest_status(model::GuestId id);
std::string placement(model::HostId host, Uuid object);
std::string name(std::string_view kind, std::string_view name);
std::string layer(model::LayerId id);
std::string image(model::ImageId id);
std::string datastore_spec(model::DatastoreId id);
std::string datastore_status(model::DatastoreId id);
std::string host_spec(model::HostId id);
std::string host_status(model::HostId id);
std::string host_ledger(model::HostId id);
std::string task(model::TaskId id);
std::string uid(std::uint32_t uid);
std::string idempotency(std::string_view user, std::string_view key);
inline constexpr std::string_view kSettings = "settings/cluster";

// What a key of the store is about; nullopt for keys that no document has (a newer Ruche's).
enum class DocumentKind {
  guest_spec,
  guest_status,
  placement,
  name,
  layer,
  image,
  datastore_spec,
  datastore_status,
  host_spec,
  host_status,
  host_ledger,
  task,
  uid,
  idempotency,
  settings,
};
struct Parsed {
  DocumentKind kind;
  Uuid id;           // of the object; nil for names, idempotency records and settings
  std::string name;  // "vm/web1" for names
};
std::optional<Parsed> parse(std::string_view key);
// "guest-spec", …: the `kind` in a document's envelope.
std::string_view kind_name(DocumentKind kind);

}  // namespace ruche::core::keys
