#include "methods/tables.hpp"

namespace ruche::methods {

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

constexpr auto describe(Type<ListEvents>) {
  return structure<ListEvents>(
      "ListEvents", "Past events, the oldest first.",
      field<&ListEvents::limit>("limit", "Events in a page.", {.min = 1, .max = kLargestPage}),
      field<&ListEvents::after>("after", "Id of an event: only later ones."),
      field<&ListEvents::kind>("kind", "Only about this kind of object."),
      field<&ListEvents::object>("object", "Only about this object: name or id."));
}

constexpr auto describe(Type<FollowEvents>) {
  return structure<FollowEvents>(
      "FollowEvents", "Events as they happen.",
      field<&FollowEvents::after>("after", "Id of the last event seen; absent: from now on."),
      field<&FollowEvents::kind>("kind", "Only about this kind of object."),
      field<&FollowEvents::object>("object", "Only about this object: name or id."));
}

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

constexpr auto describe(Type<ListAudit>) {
  return structure<ListAudit>(
      "ListAudit", "A page of the audit log, the newest first.",
      field<&ListAudit::limit>("limit", "Records in a page.", {.min = 1, .max = kLargestPage}),
      field<&ListAudit::cursor>("cursor", "`next` of the page before."),
      field<&ListAudit::filter>("filter", "Conditions, joined by commas: user=alice,method~vm.",
                                {.max_length = 4096, .example = "user=alice"}));
}

constexpr auto describe(Type<VmHistory>) {
  return structure<VmHistory>(
      "VmHistory", "A page of what was done to a VM, the newest first.",
      field<&VmHistory::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&VmHistory::limit>("limit", "Records in a page.", {.min = 1, .max = kLargestPage}),
      field<&VmHistory::cursor>("cursor", "`next` of the page before."));
}

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

}  // namespace ruche::methods

template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListVms>();
template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListEvents>();
template const ruche::TypeInfo& ruche::type_of<ruche::methods::FollowEvents>();
template const ruche::TypeInfo& ruche::type_of<ruche::methods::SetCertificate>();
template const ruche::TypeInfo& ruche::type_of<ruche::methods::ListAudit>();
template const ruche::TypeInfo& ruche::type_of<ruche::methods::VmHistory>();
template const ruche::TypeInfo& ruche::type_of<ruche::methods::ApiInfo>();
