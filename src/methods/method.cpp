#include "methods/method.hpp"

#include "methods/tables.hpp"

namespace ruche::methods {

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::get:
      return "GET";
    case Verb::post:
      return "POST";
    case Verb::patch:
      return "PATCH";
    case Verb::put:
      return "PUT";
    case Verb::delete_:
      return "DELETE";
  }
  broken_invariant("a verb without a name");
}

std::string_view to_string(Role role) {
  switch (role) {
    case Role::viewer:
      return "viewer";
    case Role::operator_:
      return "operator";
    case Role::administrator:
      return "administrator";
  }
  broken_invariant("a role without a name");
}

std::vector<std::string_view> Method::path_parameters() const {
  std::vector<std::string_view> names;
  for (std::size_t open = path.find('{'); open != path.npos; open = path.find('{', open + 1)) {
    names.push_back(path.substr(open + 1, path.find('}', open) - open - 1));
  }
  return names;
}

const std::vector<Method>& all() {
  static const std::vector<Method> methods = [] {
    std::vector<Method> joined;
    for (const auto& table :
         {vm_methods(), vm_device_methods(), snapshot_methods(), image_methods(), upload_methods(),
          datastore_methods(), network_methods(), pool_methods(), task_methods(), host_methods(),
          certificate_methods(), setting_methods(), event_methods(), identity_methods(),
          audit_methods(), meta_methods()}) {
      joined.insert(joined.end(), table.begin(), table.end());
    }
    return joined;
  }();
  return methods;
}

const Method* find(std::string_view id) {
  for (const auto& method : all()) {
    if (method.id == id) return &method;
  }
  return nullptr;
}

constexpr auto describe(Type<ListRequest>) {
  return structure<ListRequest>(
      "ListRequest", "A page of a list.",
      field<&ListRequest::limit>("limit", "Items in a page.", {.min = 1, .max = kLargestPage}),
      field<&ListRequest::cursor>("cursor",
                                  "`next` of the page before; keeps its filter and sort."),
      field<&ListRequest::filter>("filter", "Conditions, joined by commas: state=running,name~web.",
                                  {.max_length = 4096, .example = "state=running"}),
      field<&ListRequest::sort>("sort", "Fields, joined by commas; `-` first: descending.",
                                {.max_length = 1024, .example = "-created_at"}));
}

}  // namespace ruche::methods

template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListRequest>();
