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

struct ListEvents {
  std::int64_t limit = kDefaultPage;
  std::string after;
  std::optional<model::ObjectKind> kind;
  std::string object;
};

struct FollowEvents {
  std::string after;
  std::optional<model::ObjectKind> kind;
  std::string object;
};

struct SetCertificate {
  std::string host;
  std::string certificate;
  Secret<std::string> key;
};

struct ListAudit {
  std::int64_t limit = kDefaultPage;
  std::string cursor;
  std::string filter;
};

struct VmHistory {
  std::string vm;
  std::int64_t limit = kDefaultPage;
  std::string cursor;
};

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

extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListVms>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListEvents>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::FollowEvents>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::SetCertificate>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListAudit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::VmHistory>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::methods::ApiInfo>();
