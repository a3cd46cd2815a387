// The records of each resource, and the request types that only they need.
#pragma once

#include "methods/method.hpp"
#include "model/event.hpp"
#include "model/requests.hpp"
#include "model/views.hpp"

namespace ruche::methods {

std::vector<Method> vm_methods();
std::vector<Method> vm_device_methods();
std::vector<Method> snapshot_methods();
std::vector<Method> image_methods();
std::vector<Method> upload_methods();
std::vector<Method> datastore_methods();
std::vector<Method> network_methods();
std::vector<Method> pool_methods();
std::vector<Method> task_methods();
std::vector<Method> host_methods();
std::vector<Method> certificate_methods();
std::vector<Method> setting_methods();
std::vector<Method> event_methods();
std::vector<Method> identity_methods();
std::vector<Method> audit_methods();
std::vector<Method> meta_methods();

struct ListVms {
  std::int64_t limit = kDefaultPage;
  std::string cursor;
  std::string filter;
  std::string sort;
  bool deleted = false;
};
constexpr auto describe(Type<ListVms>) {
  return structure<ListVms>(
      "ListVms", "A page of the virtual machines.",
      field<&ListVms::limit>("limit", "Items in a page.", {.min = 1, .max = kLargestPage}),
      field<&ListVms::cursor>("cursor", "`next` of the page before; keeps its filter and sort."),
      field<&ListVms::filter>("filter", "Conditions, joined by commas: state=running,name~web.",
                              {.max_length = 4096, .example = "state=running"}),
      field<&ListVms::sort>("sort", "Fields, joined by commas; `-` first: descending.",
                            {.max_length = 1024, .example = "-created_at"}),
      field<&ListVms::deleted>("deleted", "Those in the recycle bin instead."));
}

struct ListEvents {
  std::int64_t limit = kDefaultPage;
  std::string after;
  std::optional<model::ObjectKind> kind;
  std::string object;
};
constexpr auto describe(Type<ListEvents>) {
  return structure<ListEvents>(
      "ListEvents", "Past events, the oldest first.",
      field<&ListEvents::limit>("limit", "Events in a page.", {.min = 1, .max = kLargestPage}),
      field<&ListEvents::after>("after", "Id of an event: only later ones."),
      field<&ListEvents::kind>("kind", "Only about this kind of object."),
      field<&ListEvents::object>("object", "Only about this object: name or id."));
}

struct FollowEvents {
  std::string after;
  std::optional<model::ObjectKind> kind;
  std::string object;
};
constexpr auto describe(Type<FollowEvents>) {
  return structure<FollowEvents>(
      "FollowEvents", "Events as they happen.",
      field<&FollowEvents::after>("after", "Id of the last event seen; absent: from now on."),
      field<&FollowEvents::kind>("kind", "Only about this kind of object."),
      field<&FollowEvents::object>("object", "Only about this object: name or id."));
}

struct SetCertificate {
  std::string host;
  std::string certificate;
  Secret<std::string> key;
};
constexpr auto describe(Type<SetCertificate>) {
  return structure<SetCertificate>(
      "SetCertificate", "What a host shows to HTTPS clients.",
      field<&SetCertificate::host>("host", "Name or id; `self` is the one you talk to.",
                                   {.required = true, .format = "reference", .positional = true}),
      field<&SetCertificate::certificate>(
          "certificate", "PEM: the host's own certificate, then those up to its authority.",
          {.required = true, .max_length = 256 << 10, .format = "file"}),
      field<&SetCertificate::key>("key", "PEM: its private key, not encrypted.",
                                  {.required = true, .max_length = 64 << 10, .format = "file"}));
}

struct ListAudit {
  std::int64_t limit = kDefaultPage;
  std::string cursor;
  std::string filter;
};
constexpr auto describe(Type<ListAudit>) {
  return structure<ListAudit>(
      "ListAudit", "A page of the audit log, the newest first.",
      field<&ListAudit::limit>("limit", "Records in a page.", {.min = 1, .max = kLargestPage}),
      field<&ListAudit::cursor>("cursor", "`next` of the page before."),
      field<&ListAudit::filter>("filter", "Conditions, joined by commas: user=alice,method~vm.",
                                {.max_length = 4096, .example = "user=alice"}));
}

struct VmHistory {
  std::string vm;
  std::int64_t limit = kDefaultPage;
  std::string cursor;
};
constexpr auto describe(Type<VmHistory>) {
  return structure<VmHistory>(
      "VmHistory", "A page of what was done to a VM, the newest first.",
      field<&VmHistory::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&VmHistory::limit>("limit", "Records in a page.", {.min = 1, .max = kLargestPage}),
      field<&VmHistory::cursor>("cursor", "`next` of the page before."));
}

// What /v1 answers.
struct ApiInfo {
  std::string product;
  std::string version;
  std::string host;
  std::string store_id;
  std::int64_t revision = 0;
  bool stale = false;
  std::optional<model::HttpsView> https;
  std::vector<std::string> features;
};
constexpr auto describe(Type<ApiInfo>) {
  return structure<ApiInfo>(
      "ApiInfo", "What answers here, and what it can do.",
      field<&ApiInfo::product>("product", "ruche."),
      field<&ApiInfo::version>("version", "Version of ruched."),
      field<&ApiInfo::host>("host", "Name of the host that answers."),
      field<&ApiInfo::store_id>("store_id", "Changes when revisions restart."),
      field<&ApiInfo::revision>("revision", "The newest state that answers are made from."),
      field<&ApiInfo::stale>("stale", "The store does not answer; reads may be old."),
      field<&ApiInfo::https>("https", "How it is reached over the network."),
      field<&ApiInfo::features>(
          "features", "Methods and abilities, for clients that talk to several versions."));
}

template <class T>
Method list_of(Method method) {
  method.answer = Answer::list;
  method.result = &type_of<T>;
  method.page = &type_of<Page<T>>;
  return method;
}
template <class Request>
Method task_of(Method method) {
  method.answer = Answer::task;
  method.request = &type_of<Request>;
  method.result = &type_of<model::TaskView>;
  return method;
}
template <class Request, class Result>
Method value_of(Method method) {
  method.answer = Answer::value;
  method.request = &type_of<Request>;
  method.result = &type_of<Result>;
  return method;
}

}  // namespace ruche::methods
