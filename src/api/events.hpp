// Events: every change of the inventory, rendered once, kept in a bounded ring for those who listen
// and appended to the history for those who come later. A slow reader holds nothing: it has a place
// in the stream, and when the ring has gone past it, it reads the history until it catches up.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/parts.hpp"
#include "api/render.hpp"
#include "model/event.hpp"

namespace ruche::api {

// A place in the stream: after the n-th change of a revision.
struct EventPosition {
  std::int64_t revision = 0;
  std::int64_t number = 0;
  friend auto operator<=>(const EventPosition&, const EventPosition&) = default;
};

// "{store}.{revision}.{number}"; "{store}.{revision}" means after all of that revision.
inline constexpr std::int64_t kWholeRevision = 1 << 30;
std::string event_id(std::string_view store_id, EventPosition position);
struct ParsedEventId {
  std::string store_id;
  EventPosition position;
};
std::optional<ParsedEventId> parse_event_id(std::string_view text);

struct EventEntry {
  EventPosition position;
  std::string id;
  model::EventType type = model::EventType::change;
  model::ObjectKind kind = model::ObjectKind::guest;
  std::string object_id;
  std::string object_name;
  std::string json;  // a model::Event
};
using EventPointer = std::shared_ptr<const EventEntry>;

struct EventFilter {
  std::optional<model::ObjectKind> kind;
  std::string object;  // name or id; empty: all
  bool matches(const EventEntry& entry) const;  // a reset always does
};

class EventHub {
 public:
  explicit EventHub(Parts& parts);

  // Follows the inventory until cancelled.
  Async<void> run();

  class Reader {
   public:
    // The next event that matches; null when none came for `idle`.
    Async<EventPointer> next(Duration idle);

   private:
    friend class EventHub;
    Reader(EventHub& hub, EventFilter filter, EventPosition after)
        : hub_(hub), filter_(std::move(filter)), after_(after) {}
    Async<void> catch_up();
    void give_up();

    EventHub& hub_;
    EventFilter filter_;
    EventPosition after_;  // what was delivered or skipped
    std::deque<EventPointer> backlog_;
    std::optional<std::int64_t> sequence_;  // in the history, while catching up
  };
  // From now on, or after the event with this id. Throws bad_cursor when it is no id of ours. The
  // hub outlives its readers.
  Reader read(EventFilter filter, std::string_view after);

  struct Page {
    std::vector<EventPointer> events;  // the oldest first
    std::string next;  // an id; empty: this was the end
  };
  // Past events from the history: after an id, or the newest. Throws bad_cursor, io_failed.
  Async<Page> past(EventFilter filter, std::string after, std::size_t limit);

  EventPosition position() const { return position_; }
  std::size_t kept() const { return ring_.size(); }

  static constexpr std::size_t kMostKept = 4096;
  static constexpr std::size_t kMostBytes = 4 << 20;

 private:
  struct Subject {
    model::ObjectKind kind;
    Uuid id;
    auto operator<=>(const Subject&) const = default;
  };

  Async<void> follow(core::Subscription& subscription);
  Async<void> replay();
  void remember_names();
  void start_fresh(bool with_reset);
  void publish(const core::ChangeSet& set);
  void push(EventEntry entry);
  std::optional<EventEntry> render(EventPosition position, const core::ObjectChange& change);
  bool fill(model::Event& event, const Subject& subject) const;
  EventEntry reset_entry(EventPosition position) const;
  EventPointer after(EventPosition position) const;  // of the ring; null: nothing yet
  EventPosition parse_after(std::string_view after) const;
  // The history's entry at or before this place; nullopt when that is gone.
  Async<std::optional<std::int64_t>> find_sequence(EventPosition position) const;

  Parts& parts_;
  std::deque<EventPointer> ring_;
  std::size_t ring_bytes_ = 0;
  EventPosition floor_;  // the ring has everything after it
  EventPosition position_;  // of the newest
  std::map<Subject, std::string> names_;  // as last seen, for deletions
  Signal pushed_;
};

}  // namespace ruche::api
