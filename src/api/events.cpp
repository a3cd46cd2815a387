#include "api/events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/json.hpp"
#include "core/documents/keys.hpp"

namespace ruche::api {

namespace {

constexpr std::string_view kHistoryKind = "event";
constexpr std::size_t kHistoryPage = 200;
constexpr int kMostSearchedPages = 50;

// What a reader of the history needs of an event's text.
struct EventHead {
  std::string id;
  model::EventType type = model::EventType::change;
  std::optional<model::ObjectRef> object;
};
constexpr auto describe(Type<EventHead>) {
  return structure<EventHead>("EventHead", "The first part of an event.",
                              field<&EventHead::id>("id", "Position."),
                              field<&EventHead::type>("type", "A change, or a reset."),
                              field<&EventHead::object>("object", "What it happened to."));
}

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || std::from_chars(text.data(), end, number).ptr != end) return std::nullopt;
  return number;
}

// Null when the record is unreadable or of another store.
EventPointer entry_of(const ports::HistoryRecord& record, std::string_view store_id) {
  auto head =
      json::try_decode<EventHead>(record.json, {.unknown_fields = json::UnknownFields::ignore});
  if (!head) return nullptr;
  const auto id = parse_event_id(head->id);
  if (!id || id->store_id != store_id) return nullptr;
  EventEntry entry{.position = id->position, .id = head->id, .type = head->type};
  if (head->object) {
    entry.kind = head->object->kind;
    entry.object_id = to_text(head->object->id);
    entry.object_name = head->object->name;
  }
  entry.json = record.json;
  return std::make_shared<const EventEntry>(std::move(entry));
}

std::optional<model::ObjectKind> kind_of(const core::Inventory& inventory,
                                         const core::keys::Parsed& key) {
  using core::keys::DocumentKind;
  switch (key.kind) {
    case DocumentKind::guest_spec:
    case DocumentKind::guest_status:
      return model::ObjectKind::guest;
    case DocumentKind::image:
      return model::ObjectKind::image;
    case DocumentKind::datastore_spec:
    case DocumentKind::datastore_status:
      return model::ObjectKind::datastore;
    case DocumentKind::network_spec:
    case DocumentKind::network_status:
      return model::ObjectKind::network;
    case DocumentKind::pool_spec:
    case DocumentKind::pool_ledger:
      return model::ObjectKind::pool;
    case DocumentKind::host_spec:
    case DocumentKind::host_status:
    case DocumentKind::host_ledger:
      return model::ObjectKind::host;
    case DocumentKind::task:
      return model::ObjectKind::task;
    case DocumentKind::placement:
      if (inventory.images().contains(key.id)) return model::ObjectKind::image;
      if (inventory.datastores().contains(key.id)) return model::ObjectKind::datastore;
      if (inventory.networks().contains(key.id)) return model::ObjectKind::network;
      return model::ObjectKind::guest;
    default:
      return std::nullopt;
  }
}

// A batch of the store as the change set that the inventory would have made of it.
core::ChangeSet changes_of(const core::Inventory& inventory, const ports::Batch& batch) {
  std::map<std::pair<model::ObjectKind, Uuid>, model::ChangeKind> objects;
  for (const auto& change : batch.changes) {
    const auto key = core::keys::parse(change.key);
    const auto kind = key ? kind_of(inventory, *key) : std::nullopt;
    if (!kind) continue;
    const bool deleted = !change.value && key->kind != core::keys::DocumentKind::placement;
    auto& what = objects.try_emplace({*kind, key->id}, model::ChangeKind::changed).first->second;
    if (deleted) what = model::ChangeKind::deleted;
  }
  core::ChangeSet set{batch.revision, {}};
  for (const auto& [object, change] : objects) {
    set.changes.push_back({object.first, object.second, change});
  }
  return set;
}

}  // namespace

std::string event_id(std::string_view store_id, EventPosition position) {
  if (position.number == kWholeRevision) return fmt::format("{}.{}", store_id, position.revision);
  return fmt::format("{}.{}.{}", store_id, position.revision, position.number);
}

std::optional<ParsedEventId> parse_event_id(std::string_view text) {
  const auto last = text.rfind('.');
  if (last == text.npos || last == 0) return std::nullopt;
  const auto last_number = number_in(text.substr(last + 1));
  if (!last_number) return std::nullopt;
  const auto front = text.substr(0, last);
  const auto middle = front.rfind('.');
  if (middle != front.npos && middle > 0) {
    if (const auto revision = number_in(front.substr(middle + 1))) {
      return ParsedEventId{std::string(front.substr(0, middle)), {*revision, *last_number}};
    }
  }
  return ParsedEventId{std::string(front), {*last_number, kWholeRevision}};
}

bool EventFilter::matches(const EventEntry& entry) const {
  if (entry.type == model::EventType::reset) return true;
  if (kind && *kind != entry.kind) return false;
  return object.empty() || object == entry.object_id || object == entry.object_name;
}

// --- filling the ring -----------------------------------------------------------------------

EventHub::EventHub(Parts& parts) : parts_(parts) {}

Async<void> EventHub::run() {
  co_await parts_.inventory.ready();
  const auto subscription = parts_.inventory.subscribe();
  remember_names();
  co_await replay();
  co_await follow(*subscription);
}

// What is deleted later is told with the name that it had.
void EventHub::remember_names() {
  const auto& inventory = parts_.inventory;
  const auto remember = [this](model::ObjectKind kind, const auto& records) {
    for (const auto& [id, record] : records) {
      if (record->spec) names_[{kind, id}] = record->spec->value.name;
    }
  };
  remember(model::ObjectKind::guest, inventory.guests());
  remember(model::ObjectKind::image, inventory.images());
  remember(model::ObjectKind::datastore, inventory.datastores());
  remember(model::ObjectKind::network, inventory.networks());
  remember(model::ObjectKind::pool, inventory.pools());
  remember(model::ObjectKind::host, inventory.hosts());
  for (const auto& [id, record] : inventory.tasks()) {
    names_[{model::ObjectKind::task, id}] = record->value.summary;
  }
}

Async<void> EventHub::follow(core::Subscription& subscription) {
  while (true) {
    const auto set = co_await subscription.next();
    if (set) {
      if (set->revision.number > position_.revision) publish(*set);
    } else {
      start_fresh(true);
    }
  }
}

// What happened since the last event in the history is read from the store, so that somebody who
// resumes after a restart of the daemon misses nothing.
Async<void> EventHub::replay() {
  const auto& store_id = parts_.inventory.store_id();
  const auto target = parts_.inventory.revision();
  start_fresh(false);
  std::optional<Error> failure;
  bool complete = true;
  try {
    const ports::HistoryQuery newest{
        .kind = std::string(kHistoryKind), .newest_first = true, .limit = 1};
    const auto found = co_await parts_.history.query(newest);
    if (found.empty()) co_return;
    const auto last = entry_of(found.front().record, store_id);
    complete = last && last->position.revision <= target.number && last->position.revision > 0;
    if (complete) {
      // The last revision again: the daemon may have died in the midst of it.
      floor_ = position_ = {last->position.revision - 1, kWholeRevision};
      const auto watch = parts_.store.watch("", ports::Revision{last->position.revision});
      while (position_.revision < target.number) {
        const auto item = co_await watch->next();
        const auto* batch = std::get_if<ports::Batch>(&item);
        complete = batch != nullptr;
        if (!complete) break;
        publish(changes_of(parts_.inventory, *batch));
        position_ = std::max(position_, {batch->revision.number, kWholeRevision});
      }
    }
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    parts_.log.warning("api", "the events of the past cannot be completed",
                       {{"why", failure->full_message()}});
  }
  if (failure || !complete) start_fresh(true);
}

// Everything before now is unknown to the ring.
void EventHub::start_fresh(bool with_reset) {
  ring_.clear();
  ring_bytes_ = 0;
  const EventPosition now{parts_.inventory.revision().number, kWholeRevision};
  floor_ = position_ = now;
  if (!with_reset) return;
  floor_.number = kWholeRevision - 1;
  push(reset_entry(now));
}

EventEntry EventHub::reset_entry(EventPosition position) const {
  model::Event event;
  event.id = event_id(parts_.inventory.store_id(), position);
  event.type = model::EventType::reset;
  event.at = parts_.clock.wall();
  return {.position = position, .id = event.id, .type = event.type, .json = json::encode(event)};
}

void EventHub::publish(const core::ChangeSet& set) {
  std::int64_t number = 0;
  for (const auto& change : set.changes) {
    auto entry = render({set.revision.number, number++}, change);
    if (entry) push(std::move(*entry));
  }
}

void EventHub::push(EventEntry entry) {
  parts_.history.append({.kind = std::string(kHistoryKind),
                         .object_id = entry.object_id,
                         .revision = {entry.position.revision},
                         .time = parts_.clock.wall(),
                         .json = entry.json});
  position_ = std::max(position_, entry.position);
  ring_bytes_ += entry.json.size();
  ring_.push_back(std::make_shared<const EventEntry>(std::move(entry)));
  while (ring_.size() > kMostKept || (ring_.size() > 1 && ring_bytes_ > kMostBytes)) {
    floor_ = ring_.front()->position;
    ring_bytes_ -= ring_.front()->json.size();
    ring_.pop_front();
  }
  pushed_.notify();
}

bool EventHub::fill(model::Event& event, const Subject& subject) const {
  const auto& inventory = parts_.inventory;
  const Renderer renderer({inventory, parts_.progress, parts_.self});
  const auto put = [&](const auto& records, auto& slot, auto make) {
    const auto found = records.find(subject.id);
    if (found == records.end() || !found->second->spec) return false;
    slot = make(*found->second);
    event.object->name = slot->name;
    return true;
  };
  auto& resource = event.resource;
  switch (subject.kind) {
    case model::ObjectKind::guest:
      return put(inventory.guests(), resource.vm, [&](const auto& r) { return renderer.vm(r); });
    case model::ObjectKind::image:
      return put(inventory.images(), resource.image,
                 [&](const auto& r) { return renderer.image(r); });
    case model::ObjectKind::datastore:
      return put(inventory.datastores(), resource.datastore,
                 [&](const auto& r) { return renderer.datastore(r); });
    case model::ObjectKind::network:
      return put(inventory.networks(), resource.network,
                 [&](const auto& r) { return renderer.network(r); });
    case model::ObjectKind::pool:
      return put(inventory.pools(), resource.pool, [&](const auto& r) { return renderer.pool(r); });
    case model::ObjectKind::host:
      return put(inventory.hosts(), resource.host, [&](const auto& r) { return renderer.host(r); });
    case model::ObjectKind::task: {
      const auto found = inventory.tasks().find(subject.id);
      if (found == inventory.tasks().end()) return false;
      resource.task = renderer.task(found->second->value, Detail::list);
      event.object->name = resource.task->summary;
      return true;
    }
    case model::ObjectKind::user:
    case model::ObjectKind::token:
      return false;  // only the audit tells of them
  }
  return false;
}

std::optional<EventEntry> EventHub::render(EventPosition position,
                                           const core::ObjectChange& change) {
  const Subject subject{change.kind, change.id};
  model::Event event;
  event.id = event_id(parts_.inventory.store_id(), position);
  event.at = parts_.clock.wall();
  event.change = change.change;
  event.object = model::ObjectRef{change.kind, change.id, {}};
  const auto known = names_.find(subject);
  if (change.change != model::ChangeKind::deleted && fill(event, subject)) {
    if (known == names_.end()) {
      names_[subject] = event.object->name;
    } else {
      known->second = event.object->name;
    }
  } else {
    // What was deleted meanwhile, or is not whole yet: only the former is worth telling.
    if (change.change != model::ChangeKind::deleted) return std::nullopt;
    if (known != names_.end()) {
      event.object->name = known->second;
      names_.erase(known);
    }
  }
  return EventEntry{.position = position,
                    .id = event.id,
                    .type = event.type,
                    .kind = change.kind,
                    .object_id = to_text(change.id),
                    .object_name = event.object->name,
                    .json = json::encode(event)};
}

// --- reading --------------------------------------------------------------------------------

EventPointer EventHub::after(EventPosition position) const {
  const auto next = std::upper_bound(ring_.begin(), ring_.end(), position,
                                     [](const EventPosition& wanted, const EventPointer& entry) {
                                       return wanted < entry->position;
                                     });
  return next == ring_.end() ? nullptr : *next;
}

EventPosition EventHub::parse_after(std::string_view after) const {
  const auto id = parse_event_id(after);
  if (!id) {
    throw Error(Reason::bad_cursor, fmt::format("\"{}\" is not the id of an event", after))
        .at("/after")
        .remedy("send the id of an event unchanged, or nothing to start from now");
  }
  // Of another store: before everything, which a reader answers with a reset.
  return id->store_id == parts_.inventory.store_id() ? id->position : EventPosition{-1, 0};
}

EventHub::Reader EventHub::read(EventFilter filter, std::string_view after) {
  return Reader(*this, std::move(filter), after.empty() ? position_ : parse_after(after));
}

Async<std::optional<std::int64_t>> EventHub::find_sequence(EventPosition position) const {
  ports::HistoryQuery query{.kind = std::string(kHistoryKind), .newest_first = true};
  for (int page = 0; page < kMostSearchedPages; ++page) {
    const auto found = co_await parts_.history.query(query);
    for (const auto& item : found) {
      const auto entry = entry_of(item.record, parts_.inventory.store_id());
      if (!entry) co_return std::nullopt;  // of a store before this one
      if (entry->position <= position) co_return item.sequence;
    }
    if (found.size() < query.limit) break;
    query.after = found.back().sequence;
  }
  co_return std::nullopt;
}

void EventHub::Reader::give_up() {
  sequence_.reset();
  after_ = hub_.position_;
  backlog_ = {std::make_shared<const EventEntry>(hub_.reset_entry(after_))};
}

Async<void> EventHub::Reader::catch_up() {
  if (!sequence_) sequence_ = co_await hub_.find_sequence(after_);
  if (!sequence_) co_return give_up();
  const ports::HistoryQuery query{
      .kind = std::string(kHistoryKind), .after = *sequence_, .limit = kHistoryPage};
  const auto found = co_await hub_.parts_.history.query(query);
  if (found.empty()) co_return give_up();
  for (const auto& item : found) {
    sequence_ = item.sequence;
    auto entry = entry_of(item.record, hub_.parts_.inventory.store_id());
    if (!entry) co_return give_up();
    if (entry->position > after_) backlog_.push_back(std::move(entry));
  }
}

Async<EventPointer> EventHub::Reader::next(Duration idle) {
  const Instant end = hub_.parts_.clock.now() + idle;
  while (true) {
    EventPointer entry;
    if (!backlog_.empty()) {
      entry = std::move(backlog_.front());
      backlog_.pop_front();
    } else if (after_ < hub_.floor_) {
      co_await catch_up();
      continue;
    } else {
      sequence_.reset();
      entry = hub_.after(after_);
    }
    if (entry) {
      after_ = std::max(after_, entry->position);
      if (filter_.matches(*entry)) co_return entry;
      continue;
    }
    const auto left = std::chrono::duration_cast<Duration>(end - hub_.parts_.clock.now());
    if (left.count() <= 0) co_return nullptr;
    try {
      co_await with_deadline(hub_.parts_.clock, left, "an event", hub_.pushed_.wait());
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
    }
  }
}

Async<EventHub::Page> EventHub::past(EventFilter filter, std::string after, std::size_t limit) {
  Page page;
  ports::HistoryQuery query{.kind = std::string(kHistoryKind), .newest_first = after.empty()};
  if (!after.empty()) query.after = (co_await find_sequence(parse_after(after))).value_or(0);
  bool more = false;
  for (int searched = 0; searched < kMostSearchedPages && !more; ++searched) {
    const auto found = co_await parts_.history.query(query);
    for (const auto& item : found) {
      query.after = item.sequence;
      auto entry = entry_of(item.record, parts_.inventory.store_id());
      if (!entry || !filter.matches(*entry)) continue;
      if (page.events.size() == limit) {
        more = true;
        break;
      }
      page.events.push_back(std::move(entry));
    }
    if (found.size() < query.limit) break;
  }
  if (query.newest_first) {
    std::reverse(page.events.begin(), page.events.end());
  } else if (more) {
    page.next = page.events.back()->id;
  }
  co_return page;
}

}  // namespace ruche::api
