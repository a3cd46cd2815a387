// The ground of core's tests that need a store: one inventory and one writer on the in-memory one.
#pragma once

#include <gtest/gtest.h>

#include "core/documents/documents.hpp"
#include "core/inventory/writer.hpp"
#include "sim/memory_store.hpp"
#include "sim/sim_world.hpp"

namespace ruche::core {

// A host's part of the world: a store handle, the view, the writer.
struct CoreNode {
  CoreNode(sim::SimWorld& world, sim::MemoryStoreState& state, const std::string& name)
      : world_(world),
        store(state.open(name)),
        inventory(*store, world.clock(), log),
        writer(*store, inventory, world.clock(), world.random()),
        scope(world.executor(), name) {
    scope.spawn("inventory", inventory.run());
    world.run_until([this] { return inventory.is_ready(); }, std::chrono::minutes(1));
  }
  ~CoreNode() {
    store->sever();
    auto end = [](Scope& mine) -> Async<void> {
      mine.cancel(CancelReason::shutdown);
      co_await drain(mine);
    };
    world_.run(end(scope));
  }

  sim::SimWorld& world_;
  MemoryLog log;
  std::unique_ptr<sim::MemoryStore> store;
  Inventory inventory;
  Writer writer;
  Scope scope;
};

class CoreTest : public testing::Test {
 protected:
  CoreTest() : state_(sim::MemoryStoreState::make(world_.clock())) {}

  std::unique_ptr<CoreNode> node(const std::string& name = "alpha") {
    return std::make_unique<CoreNode>(world_, *state_, name);
  }
  // Writes past every inventory, as another host would.
  void put(const std::string& key, const std::string& value) {
    const auto store = state_->open("other");
    ports::Commit commit;
    commit.nonce = "other " + std::to_string(++nonce_);
    commit.writes.push_back(ports::Put{key, value, {}});
    world_.run_now(store->commit(std::move(commit)));
  }
  void erase(const std::string& key) {
    const auto store = state_->open("other");
    ports::Commit commit;
    commit.nonce = "other " + std::to_string(++nonce_);
    commit.writes.push_back(ports::Delete{key});
    world_.run_now(store->commit(std::move(commit)));
  }
  template <class T>
  void put_document(keys::DocumentKind kind, const std::string& key, const T& value) {
    put(key, documents::encode(kind, value));
  }
  void settle() { world_.run_for(std::chrono::seconds(5)); }
  Uuid id(int number) {
    return *parse_uuid("018f0000-0000-7000-8000-" +
                       std::string(12 - std::to_string(number).size(), '0') +
                       std::to_string(number));
  }

  // A guest with its placement, as one commit would leave it.
  void put_guest(int number, const std::string& name, model::HostId host) {
    model::Guest guest;
    guest.id = {id(number)};
    guest.name = name;
    put_document(keys::DocumentKind::guest_spec, keys::guest_spec(guest.id), guest);
    model::Placement placement;
    placement.object = guest.id.value;
    placement.host = host;
    put_document(keys::DocumentKind::placement, keys::placement(host, guest.id.value), placement);
    put_document(keys::DocumentKind::name, keys::name("vm", name), NameRecord{guest.id.value});
  }

  sim::SimWorld world_;
  std::shared_ptr<sim::MemoryStoreState> state_;
  int nonce_ = 0;
};

}  // namespace ruche::core
