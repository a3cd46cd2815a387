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
// A name of the whole cluster, or of a narrower scope: "<scope>/<name>" (addresses: their network).
std::string name(std::string_view kind, std::string_view name);
std::string layer(model::LayerId id);
std::string snapshot(model::SnapshotId id);
std::string image(model::ImageId id);
std::string upload(model::UploadId id);
std::string datastore_spec(model::DatastoreId id);
std::string datastore_status(model::DatastoreId id);
std::string network_spec(model::NetworkId id);
std::string network_status(model::NetworkId id);
std::string pool_spec(model::PoolId id);
std::string pool_ledger(model::PoolId id);
std::string host_spec(model::HostId id);
std::string host_status(model::HostId id);
std::string host_ledger(model::HostId id);
std::string task(model::TaskId id);
std::string uid(std::uint32_t uid);
std::string user(model::UserId id);
std::string token(model::TokenId id);
std::string session(model::SessionId id);
std::string audit(model::HostId host, Uuid record);
std::string audit_head(model::HostId host);
std::string idempotency(std::string_view user, std::string_view key);
inline constexpr std::string_view kSettings = "settings/cluster";

// What a key of the store is about; nullopt for keys that no document has (a newer Ruche's).
enum class DocumentKind {
  guest_spec,
  guest_status,
  placement,
  name,
  layer,
  snapshot,
  image,
  upload,
  datastore_spec,
  datastore_status,
  network_spec,
  network_status,
  pool_spec,
  pool_ledger,
  host_spec,
  host_status,
  host_ledger,
  task,
  uid,
  idempotency,
  user,
  token,
  session,
  audit,
  audit_head,
  settings,
};
struct Parsed {
  DocumentKind kind;
  Uuid id;  // of the object; nil for names, idempotency records and settings
  std::string name;  // "vm/web1" for names, "address/<network>/10.1.2.3" for those of a scope
};
std::optional<Parsed> parse(std::string_view key);
// "guest-spec", …: the `kind` in a document's envelope.
std::string_view kind_name(DocumentKind kind);

}  // namespace ruche::core::keys
