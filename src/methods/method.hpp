// One record per API method. Routes, OpenAPI, the CLI with its help, man pages and completion are
// all made from these records and the type tables; adding a method means a record here and a
// handler in src/api.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reflect.hpp"
#include "model/role.hpp"

namespace ruche::methods {

enum class Verb { get, post, patch, put, delete_ };
std::string_view to_string(Verb verb);  // GET, POST, …

// What a caller must at least be; each role may do what the ones before it may.
using Role = model::Role;
std::string_view to_string(Role role);

enum class Answer {
  value,         // 200 with one object of the result type
  list,          // 200 with {items, next}
  task,  // 202 with a Task; 200 after ?wait= when it has ended, 200 with a Plan for ?dry_run=
  event_stream,  // server-sent events, or a WebSocket of the same objects
  websocket,  // a WebSocket whose frames the description explains
  document,  // 200 with a JSON document that no type table describes
  bytes,  // 200 with the bytes of a file of the type `media`
};

struct Example {
  std::string_view title;
  std::string_view command;  // a whole CLI line
  std::string_view body = {};  // the request's JSON
};

// A column of the CLI's table: where its value is in the result, "status.state".
struct Column {
  std::string_view title;
  std::string_view path;
};

struct Method {
  std::string_view id;  // vm.create
  Verb verb = Verb::get;
  std::string_view path;  // /v1/vms/{vm}/start
  Role role = Role::viewer;
  bool anonymous = false;  // also for those who have not said who they are: the log-in alone
  Answer answer = Answer::value;
  // Path parameters, the query (GET, DELETE) or the body (others) make one object of this type;
  // null: the method takes nothing but its path.
  const TypeInfo& (*request)() = nullptr;
  const TypeInfo& (*result)() = nullptr;  // of a list: of one item; null: see answer
  const TypeInfo& (*page)() = nullptr;  // of a list: Page<Item>, for clients that decode it
  bool patch = false;  // the body is a merge patch (RFC 7396) into the request type
  bool waits = false;  // takes ?wait= although it makes no task
  bool dry_runs = false;  // takes ?dry_run= although it makes no task; the answer is the same
  std::string_view media = {};  // of an answer of bytes: image/png
  // Changes or opens something without a commit that could carry its audit record: the record is
  // written before it is done.
  bool recorded_first = false;
  // Keeps guests going: taken longer than other changes while the audit log cannot be written.
  bool urgent = false;
  bool raw_body = false;  // the body is bytes; the request type is made of path and query
  std::string_view summary;
  std::string_view description;
  std::string_view command;  // CLI words, "vm create"; empty: not a command of its own
  std::string_view default_argument = {};  // what the CLI sends for an absent last path parameter
  std::vector<Example> examples = {};
  std::vector<Column> columns = {};  // of a list
  std::vector<std::string_view> list_fields = {};  // what filter and sort know; the API checks it

  // A body that is JSON of the request type.
  bool has_body() const { return verb != Verb::get && verb != Verb::delete_ && !raw_body; }
  // The names in braces, in the path's order.
  std::vector<std::string_view> path_parameters() const;
  bool takes_dry_run() const { return dry_runs || answer == Answer::task; }
  bool takes_wait() const { return waits || answer == Answer::task; }
};

const std::vector<Method>& all();
const Method* find(std::string_view id);

// --- shared types ---------------------------------------------------------------------------

inline constexpr std::int64_t kDefaultPage = 100;
inline constexpr std::int64_t kLargestPage = 1000;

struct ListRequest {
  std::int64_t limit = kDefaultPage;
  std::string cursor;
  std::string filter;
  std::string sort;
};

template <class T>
struct Page {
  std::vector<T> items;
  std::string next;  // empty: this was the last page
};
template <class T>
constexpr auto describe(Type<Page<T>>) {
  return structure<Page<T>>("Page", "A page of a list.", field<&Page<T>::items>("items", "Items."),
                            field<&Page<T>::next>("next", "Cursor of the next page."));
}

}  // namespace ruche::methods

extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListRequest>();
