// Applies one batch of the store to the inventory: decodes documents, keeps records immutable
// (copy, change, replace), and says which objects changed.
#pragma once

#include <map>
#include <string>

#include "core/documents/keys.hpp"
#include "core/inventory/inventory.hpp"

namespace ruche::core {

class Applier {
 public:
  explicit Applier(Inventory& inventory) : inventory_(inventory) {}

  void put(const std::string& key, const std::string& value, ports::Revision revision);
  void erase(const std::string& key, ports::Revision revision);
  // The changes of all put and erase calls since the last take, each object once.
  std::vector<ObjectChange> take();

 private:
  template <class T>
  void put_record_part(const std::string& key, keys::DocumentKind kind, const std::string& value,
                       std::optional<Stored<T>>& part, ports::Revision revision);
  void put_guest(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                 ports::Revision revision);
  void put_placement(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                     ports::Revision revision);
  template <class T>
  void put_by_id(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                 StoredById<T>& records, ports::Revision revision);
  void put_identity(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                    ports::Revision revision);
  void erase_identity(const keys::Parsed& parsed, const std::string& key);
  void put_upload(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                  ports::Revision revision);
  void put_image(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                 ports::Revision revision);
  void put_network(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                   ports::Revision revision);
  void put_pool(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                ports::Revision revision);
  void put_host(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                ports::Revision revision);
  void put_snapshot(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                    ports::Revision revision);
  void erase_snapshot(Uuid id);
  void put_other(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                 ports::Revision revision);
  void erase_placement(const keys::Parsed& parsed, const std::string& key);
  void mark_broken_guest(Uuid id, const std::string& why, ports::Revision revision);
  void changed(model::ObjectKind kind, Uuid id, bool existed, bool exists);

  Inventory& inventory_;
  std::map<std::pair<model::ObjectKind, Uuid>, model::ChangeKind> changes_;
};

}  // namespace ruche::core
