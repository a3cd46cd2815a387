#include "methods/tables.hpp"

namespace ruche::methods {

std::vector<Method> event_methods() {
  Method list = list_of<model::Event>({
      .id = "event.list",
      .path = "/v1/events",
      .request = &type_of<ListEvents>,
      .summary = "List past events",
      .description =
          "From the history of the host that answers, the oldest first. `next` is empty at "
          "the end; the id of the last event is where to go on later.",
      .command = "event list",
      .examples = {{"What happened to one VM", "ruche event list --kind vm --object web1"}},
      .columns = {{"AT", "at"},
                  {"KIND", "object.kind"},
                  {"NAME", "object.name"},
                  {"CHANGE", "change"},
                  {"ID", "id"}},
      .list_fields = {},
  });
  Method follow = {
      .id = "event.follow",
      .path = "/v1/events",
      .answer = Answer::event_stream,
      .request = &type_of<FollowEvents>,
      .result = &type_of<model::Event>,
      .summary = "Follow events",
      .description =
          "Server-sent events for `Accept: text/event-stream`, a WebSocket of the same "
          "objects for an upgrade. Last-Event-ID, or `after`, resumes; when that is too "
          "old a `reset` event says that everything must be listed again.",
      .command = {},
      .examples = {},
  };
  return {std::move(list), std::move(follow)};
}

}  // namespace ruche::methods
