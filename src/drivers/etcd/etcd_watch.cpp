#include "drivers/etcd/etcd_watch.hpp"

#include <algorithm>

namespace ruche::drivers::etcd {

using ports::Batch;
using ports::Change;
using ports::Compacted;
using ports::Revision;

namespace {
// One answer may hold a thousand revisions that a slow watch has to catch up with.
constexpr std::size_t kMaxLine = 96 << 20;
}  // namespace

EtcdWatch::EtcdWatch(std::shared_ptr<Gateway> gateway, const Keys& keys, std::string prefix,
                     Revision from)
    : gateway_(std::move(gateway)), keys_(keys), prefix_(std::move(prefix)), from_(from) {}

Async<std::variant<Batch, Compacted>> EtcdWatch::next() {
  while (true) {
    if (!ready_.empty()) {
      Batch batch = std::move(ready_.front());
      ready_.pop_front();
      co_return batch;
    }
    if (compacted_) co_return *compacted_;
    if (!stream_) co_await connect();
    const auto line = co_await read_line();
    if (line) {
      heard_ = true;
      take(*line);
      continue;
    }
    lines_.reset();
    stream_.reset();
    if (!heard_) throw Error(Reason::store_unavailable, "etcd closed a new watch at once");
  }
}

Async<void> EtcdWatch::connect() {
  // From one earlier than wanted: at exactly the compacted revision etcd would let us watch, but
  // has forgotten the deletions of that revision.
  const Revision start{std::max<std::int64_t>(from_.number - 1, 1)};
  json::Object create{{"key", keys_.data(prefix_)},
                      {"range_end", keys_.end(prefix_)},
                      {"start_revision", std::to_string(start.number)},
                      {"progress_notify", true}};
  json::Object body{{"create_request", std::move(create)}};
  Gateway::Streaming streaming = co_await gateway_->open("/v3/watch", std::move(body));
  member_ = streaming.member;
  heard_ = false;
  stream_ = std::move(streaming.stream);
  lines_ = std::make_unique<net::HttpLines>(*stream_, kMaxLine);
}

// Silence is normal, so from time to time the member is asked whether it still has a quorum: one
// that was cut off from the others would stay silent for ever.
Async<std::optional<std::string>> EtcdWatch::read_line() {
  while (true) {
    bool silent = false;
    try {
      co_return co_await with_deadline(gateway_->clock(), gateway_->options().watch_check,
                                       "a watch of etcd", lines_->next());
    } catch (const net::RequestFailed&) {
      co_return std::nullopt;
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
      silent = true;
    }
    if (silent) {
      try {
        co_await gateway_->check(member_);
      } catch (const Error&) {
        co_return std::nullopt;
      }
    }
  }
}

// {"result": {"header": …, "events": […]}}, or "created", "canceled", or only a header: progress.
void EtcdWatch::take(std::string_view line) {
  json::DecodeOptions options;
  options.max_bytes = kMaxLine;
  const json::Value message = json::parse(line, options);
  const json::Object& result = object_at(as_object(message), "result");
  if (flag_at(result, "canceled")) {
    const Revision compacted{integer_at(result, "compact_revision")};
    if (compacted.number == 0) {
      throw Error(Reason::store_unavailable, "etcd cancelled a watch")
          .remedy("check that the etcd user may read");
    }
    compacted_ = Compacted{{compacted.number + 1}};
    return;
  }
  const json::Array& events = array_at(result, "events");
  if (!events.empty()) {
    take_events(events);
  } else if (!flag_at(result, "created")) {
    const Revision quiet{integer_at(object_at(result, "header"), "revision")};
    from_ = std::max(from_, Revision{quiet.number + 1});
  }
}

void EtcdWatch::take_events(const json::Array& events) {
  std::deque<Batch> batches;
  for (const auto& each : events) {
    const json::Object& event = as_object(each);
    const json::Object& entry = object_at(event, "kv");
    const Revision revision{integer_at(entry, "mod_revision")};
    if (revision < from_) continue;
    if (batches.empty() || batches.back().revision != revision) {
      batches.push_back(Batch{revision, {}});
    }
    Change change{keys_.ours(bytes_at(entry, "key")), std::nullopt, {integer_at(entry, "lease")}};
    const auto* type = event.if_contains("type");
    const bool erased = type != nullptr && type->is_string() && type->get_string() == "DELETE";
    if (!erased) change.value = bytes_at(entry, "value");
    batches.back().changes.push_back(std::move(change));
  }
  for (auto& batch : batches) {
    std::ranges::sort(batch.changes, {}, &Change::key);
    from_ = {batch.revision.number + 1};
    ready_.push_back(std::move(batch));
  }
}

}  // namespace ruche::drivers::etcd
