#include "core_fixture.hpp"

namespace ruche::core {
namespace {

using keys::DocumentKind;
using model::ChangeKind;
using model::ObjectKind;

class InventoryTest : public CoreTest {
 protected:
  model::HostId alpha_{id(901)};
  model::HostId beta_{id(902)};
};

TEST_F(InventoryTest, ListsWhatIsThereThenFollows) {
  put_guest(1, "web1", alpha_);
  const auto here = node();
  ASSERT_NE(here->inventory.find_guest("web1"), nullptr);
  put_guest(2, "web2", alpha_);
  settle();
  const auto found = here->inventory.find_guest("web2");
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->complete());
  EXPECT_EQ(here->inventory.find_guest(to_text(id(2))), found);
  EXPECT_EQ(here->inventory.find_guest("web3"), nullptr);
}

TEST_F(InventoryTest, KnowsTheRevisionOfEveryKey) {
  put_guest(1, "web1", alpha_);
  put_document(DocumentKind::idempotency, keys::idempotency("root", "k"), IdempotencyRecord{});
  put_document(DocumentKind::settings, std::string(keys::kSettings), model::Settings{});
  const auto here = node();
  for (const auto& [key, entry] : state_->current()) {
    EXPECT_EQ(here->inventory.key_revision(key), entry.revision) << key;
  }
  erase(keys::name("vm", "web1"));
  settle();
  EXPECT_EQ(here->inventory.key_revision(keys::name("vm", "web1")), ports::Revision{});
}

TEST_F(InventoryTest, AMoveIsOneChangeWithoutAGap) {
  put_guest(1, "web1", alpha_);
  const auto here = node();
  const auto news = here->inventory.subscribe();
  world_.run_now(here->writer.transact([&](Draft& draft) {
    auto moved = draft.placement(id(1));
    draft.erase(keys::placement(alpha_, id(1)));
    moved.host = beta_;
    draft.create(keys::placement(beta_, id(1)), moved);
  }));
  const auto set = world_.run_now(news->next());
  ASSERT_TRUE(set.has_value());
  ASSERT_EQ(set->changes.size(), 1u);
  EXPECT_EQ(set->changes[0].change, ChangeKind::changed);
  EXPECT_EQ(here->inventory.find_guest("web1")->placement->value.host, beta_);
  EXPECT_EQ(here->inventory.key_revision(keys::placement(alpha_, id(1))), ports::Revision{});
  EXPECT_NE(here->inventory.key_revision(keys::placement(beta_, id(1))), ports::Revision{});
}

TEST_F(InventoryTest, AfterCompactionItListsAgainAndSubscribersAreTold) {
  const auto here = node();
  const auto news = here->inventory.subscribe();
  here->store->partition();
  put_guest(1, "web1", alpha_);
  erase(keys::name("vm", "web1"));
  put_document(DocumentKind::name, keys::name("vm", "web9"), NameRecord{id(1)});
  state_->compact();
  here->store->heal();
  settle();
  EXPECT_EQ(here->inventory.find_guest("web1"), nullptr);
  EXPECT_NE(here->inventory.find_guest("web9"), nullptr);
  EXPECT_EQ(here->inventory.revision(), state_->revision());
  EXPECT_FALSE(world_.run_now(news->next()).has_value());
}

TEST_F(InventoryTest, AnUnreadableGuestIsBrokenAndTheRestGoesOn) {
  put_guest(1, "web1", alpha_);
  put_guest(2, "web2", alpha_);
  const auto here = node();
  put(keys::guest_spec({id(1)}), "nonsense");
  put(keys::guest_status({id(2)}), "nonsense");
  put_guest(3, "web3", alpha_);
  settle();
  for (const int number : {1, 2}) {
    const auto guest = here->inventory.guests().at(id(number));
    EXPECT_EQ(guest->status->value.state, model::GuestState::broken);
    EXPECT_FALSE(guest->status->value.last_error.empty());
  }
  EXPECT_EQ(here->inventory.broken().size(), 2u);
  EXPECT_NE(here->inventory.find_guest("web3"), nullptr);
  EXPECT_EQ(here->inventory.key_revision(keys::guest_status({id(2)})),
            state_->current().at(keys::guest_status({id(2)})).revision);
  EXPECT_EQ(here->log.take_errors().size(), 2u);
}

TEST_F(InventoryTest, WhatBecomesReadableIsWholeAgain) {
  put_guest(1, "web1", alpha_);
  model::GuestStatus status;
  status.state = model::GuestState::running;
  put_document(DocumentKind::guest_status, keys::guest_status({id(1)}), status);
  const auto here = node();
  const auto good = state_->current().at(keys::guest_spec({id(1)})).value;
  put(keys::guest_spec({id(1)}), "nonsense");
  settle();
  EXPECT_EQ(here->inventory.guests().at(id(1))->status->value.state, model::GuestState::broken);
  put(keys::guest_spec({id(1)}), good);
  settle();
  EXPECT_TRUE(here->inventory.broken().empty());
  EXPECT_EQ(here->inventory.guests().at(id(1))->status->value.state, model::GuestState::running);
  here->log.take_errors();
}

TEST_F(InventoryTest, AnUnreadableDocumentIsNeverWrittenOver) {
  put_guest(1, "web1", alpha_);
  const auto here = node();
  put(keys::guest_spec({id(1)}), "nonsense");
  settle();
  const auto edit = [&](Draft& draft) { draft.guest({id(1)}).description = "new"; };
  EXPECT_THROW(world_.run_now(here->writer.transact(edit)), Error);
  EXPECT_EQ(state_->current().at(keys::guest_spec({id(1)})).value, "nonsense");
  // What is observed anew may be.
  world_.run_now(here->writer.transact(
      [&](Draft& draft) { draft.guest_status({id(1)}).state = model::GuestState::stopped; }));
  here->log.take_errors();
}

TEST_F(InventoryTest, KeysOfANewerRucheAreLeftAlone) {
  put("meta/format", "2");
  put("guests/" + to_text(id(1)) + "/snapshots", "{}");
  const auto here = node();
  EXPECT_TRUE(here->inventory.broken().empty());
  EXPECT_TRUE(here->inventory.guests().empty());
}

TEST_F(InventoryTest, AStoreThatStaysAwayIsNotedOnce) {
  const auto here = node();
  sim::StoreFaults faults;
  faults.unavailable = 1;
  here->store->set_faults(faults, world_.random());
  here->store->break_watches();
  world_.run_for(std::chrono::minutes(5));
  EXPECT_TRUE(here->inventory.is_stale());
  EXPECT_EQ(here->log.lines().size(), 1u);
  put_guest(1, "web1", alpha_);
  here->store->clear_faults();
  settle();
  EXPECT_FALSE(here->inventory.is_stale());
  EXPECT_NE(here->inventory.find_guest("web1"), nullptr);
}

TEST_F(InventoryTest, TheDeletedGuestIsFoundByNameOnlyWhenAskedFor) {
  model::Guest guest;
  guest.id = {id(1)};
  guest.name = "web1";
  guest.deleted_at = Timestamp{1'800'000'000'000};
  put_document(DocumentKind::guest_spec, keys::guest_spec(guest.id), guest);
  guest.id = {id(2)};
  guest.deleted_at = Timestamp{1'800'000'000'001};
  put_document(DocumentKind::guest_spec, keys::guest_spec(guest.id), guest);
  const auto here = node();
  EXPECT_EQ(here->inventory.find_guest("web1"), nullptr);
  EXPECT_EQ(here->inventory.find_guest("web1", true)->spec->value.id.value, id(2));
  EXPECT_NE(here->inventory.find_guest(to_text(id(1))), nullptr);
}

}  // namespace
}  // namespace ruche::core
