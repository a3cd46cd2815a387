#include "core/documents/keys.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace ruche::core::keys {

namespace {

// "a/b/c" → up to four parts; an empty vector of more.
std::vector<std::string_view> split(std::string_view key) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto slash = key.find('/');
    parts.push_back(key.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    key.remove_prefix(slash + 1);
  }
}

struct Leaf {
  std::string_view root, leaf;
  DocumentKind kind;
};
// root/<id> (leaf empty) or root/<id>/<leaf>.
constexpr std::array kLeaves = {
    Leaf{"guests", "spec", DocumentKind::guest_spec},
    Leaf{"guests", "status", DocumentKind::guest_status},
    Leaf{"layers", "", DocumentKind::layer},
    Leaf{"snapshots", "", DocumentKind::snapshot},
    Leaf{"images", "", DocumentKind::image},
    Leaf{"uploads", "", DocumentKind::upload},
    Leaf{"datastores", "spec", DocumentKind::datastore_spec},
    Leaf{"datastores", "status", DocumentKind::datastore_status},
    Leaf{"networks", "spec", DocumentKind::network_spec},
    Leaf{"networks", "status", DocumentKind::network_status},
    Leaf{"pools", "spec", DocumentKind::pool_spec},
    Leaf{"pools", "ledger", DocumentKind::pool_ledger},
    Leaf{"hosts", "spec", DocumentKind::host_spec},
    Leaf{"hosts", "status", DocumentKind::host_status},
    Leaf{"hosts", "ledger", DocumentKind::host_ledger},
    Leaf{"tasks", "", DocumentKind::task},
    Leaf{"users", "", DocumentKind::user},
    Leaf{"tokens", "", DocumentKind::token},
    Leaf{"sessions", "", DocumentKind::session},
    Leaf{"audit-heads", "", DocumentKind::audit_head},
};

}  // namespace

std::string guest_spec(model::GuestId id) { return "guests/" + to_text(id) + "/spec"; }
std::string guest_status(model::GuestId id) { return "guests/" + to_text(id) + "/status"; }
std::string placement(model::HostId host, Uuid object) {
  return "placements/" + to_text(host) + "/" + to_text(object);
}
std::string name(std::string_view kind, std::string_view name) {
  if (name.find('/') != std::string_view::npos) return fmt::format("names/{}/{}", kind, name);
  return fmt::format("names/{}/cluster/{}", kind, name);
}
std::string layer(model::LayerId id) { return "layers/" + to_text(id); }
std::string snapshot(model::SnapshotId id) { return "snapshots/" + to_text(id); }
std::string image(model::ImageId id) { return "images/" + to_text(id); }
std::string upload(model::UploadId id) { return "uploads/" + to_text(id); }
std::string datastore_spec(model::DatastoreId id) { return "datastores/" + to_text(id) + "/spec"; }
std::string datastore_status(model::DatastoreId id) {
  return "datastores/" + to_text(id) + "/status";
}
std::string network_spec(model::NetworkId id) { return "networks/" + to_text(id) + "/spec"; }
std::string network_status(model::NetworkId id) { return "networks/" + to_text(id) + "/status"; }
std::string pool_spec(model::PoolId id) { return "pools/" + to_text(id) + "/spec"; }
std::string pool_ledger(model::PoolId id) { return "pools/" + to_text(id) + "/ledger"; }
std::string host_spec(model::HostId id) { return "hosts/" + to_text(id) + "/spec"; }
std::string host_status(model::HostId id) { return "hosts/" + to_text(id) + "/status"; }
std::string host_ledger(model::HostId id) { return "hosts/" + to_text(id) + "/ledger"; }
std::string task(model::TaskId id) { return "tasks/" + to_text(id); }
std::string user(model::UserId id) { return "users/" + to_text(id); }
std::string token(model::TokenId id) { return "tokens/" + to_text(id); }
std::string session(model::SessionId id) { return "sessions/" + to_text(id); }
std::string audit(model::HostId host, Uuid record) {
  return "audit/" + to_text(host) + "/" + to_text(record);
}
std::string audit_head(model::HostId host) { return "audit-heads/" + to_text(host); }
std::string uid(std::uint32_t uid) { return fmt::format("names/uid/cluster/{}", uid); }
std::string idempotency(std::string_view user, std::string_view key) {
  return fmt::format("idempotency/{}/{}", user, key);
}

std::optional<Parsed> parse(std::string_view key) {
  if (key == kSettings) return Parsed{DocumentKind::settings, {}, {}};
  const auto parts = split(key);
  if (parts[0] == "names" && parts.size() == 4) {
    const auto kind = parts[1] == "uid" ? DocumentKind::uid : DocumentKind::name;
    if (parts[2] == "cluster") return Parsed{kind, {}, fmt::format("{}/{}", parts[1], parts[3])};
    return Parsed{kind, {}, fmt::format("{}/{}/{}", parts[1], parts[2], parts[3])};
  }
  // The client chooses its key, slashes and all.
  if (parts[0] == "idempotency" && parts.size() >= 3) {
    return Parsed{DocumentKind::idempotency, {}, std::string(key)};
  }
  if (parts[0] == "placements" && parts.size() == 3) {
    const auto object = parse_uuid(parts[2]);
    if (!object) return std::nullopt;
    return Parsed{DocumentKind::placement, *object, {}};
  }
  if (parts[0] == "audit" && parts.size() == 3) {
    const auto record = parse_uuid(parts[2]);
    if (!record) return std::nullopt;
    return Parsed{DocumentKind::audit, *record, {}};
  }
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  const std::string_view leaf_name = parts.size() == 3 ? parts[2] : std::string_view{};
  for (const auto& leaf : kLeaves) {
    if (leaf.root != parts[0] || leaf.leaf != leaf_name) continue;
    const auto id = parse_uuid(parts[1]);
    if (!id) return std::nullopt;
    return Parsed{leaf.kind, *id, {}};
  }
  return std::nullopt;
}

std::string_view kind_name(DocumentKind kind) {
  switch (kind) {
    case DocumentKind::guest_spec:
      return "guest-spec";
    case DocumentKind::guest_status:
      return "guest-status";
    case DocumentKind::placement:
      return "placement";
    case DocumentKind::name:
      return "name";
    case DocumentKind::layer:
      return "layer";
    case DocumentKind::snapshot:
      return "snapshot";
    case DocumentKind::image:
      return "image";
    case DocumentKind::upload:
      return "upload";
    case DocumentKind::datastore_spec:
      return "datastore-spec";
    case DocumentKind::datastore_status:
      return "datastore-status";
    case DocumentKind::network_spec:
      return "network-spec";
    case DocumentKind::network_status:
      return "network-status";
    case DocumentKind::pool_spec:
      return "pool-spec";
    case DocumentKind::pool_ledger:
      return "pool-ledger";
    case DocumentKind::host_spec:
      return "host-spec";
    case DocumentKind::host_status:
      return "host-status";
    case DocumentKind::host_ledger:
      return "host-ledger";
    case DocumentKind::task:
      return "task";
    case DocumentKind::uid:
      return "uid";
    case DocumentKind::idempotency:
      return "idempotency";
    case DocumentKind::user:
      return "user";
    case DocumentKind::token:
      return "token";
    case DocumentKind::session:
      return "session";
    case DocumentKind::audit:
      return "audit";
    case DocumentKind::audit_head:
      return "audit-head";
    case DocumentKind::settings:
      return "settings";
  }
  return "unknown";
}

}  // namespace ruche::core::keys
