#include "model/views.hpp"

namespace ruche::model {

constexpr auto describe(Type<PlacementView>) {
  return structure<PlacementView>(
      "PlacementView", "Where a guest is.", field<&PlacementView::host>("host", "Host name."),
      field<&PlacementView::host_id>("host_id", "Host id."),
      field<&PlacementView::epoch>("epoch", "Grows at every change of owner."),
      field<&PlacementView::wish>("wish", "Whether it shall run."),
      field<&PlacementView::reserved>("reserved", "What it holds of the host."));
}

constexpr auto describe(Type<VmView>) {
  return structure<VmView>(
      "Vm", "A virtual machine.", field<&VmView::id>("id", "Immutable id."),
      field<&VmView::name>("name", "Unique name."),
      field<&VmView::display_name>("display_name", "Name for people."),
      field<&VmView::description>("description", "Notes."), field<&VmView::tags>("tags", "Tags."),
      field<&VmView::image>("image", "Image it came from."),
      field<&VmView::datastore>("datastore", "Datastore."),
      field<&VmView::pool>("pool", "Resource pool."),
      field<&VmView::is_template>("template", "Others are made from it; it never starts."),
      field<&VmView::snapshot>("snapshot", "The snapshot that it goes on from."),
      field<&VmView::snapshots>("snapshots", "How many snapshots it has."),
      field<&VmView::uid>("uid", "User of its process on the host."),
      field<&VmView::spec>("spec", "Hardware and policies."),
      field<&VmView::status>("status", "What the owner observed."),
      field<&VmView::placement>("placement", "Where it is."),
      field<&VmView::claims>("claims", "Open tasks on it."),
      field<&VmView::pending>("pending",
                              "Changes of hardware that wait for the next "
                              "start."),
      field<&VmView::etag>("etag", "For If-Match."),
      field<&VmView::created_at>("created_at", "When it was created."),
      field<&VmView::deleted_at>("deleted_at", "In the recycle bin since."));
}

constexpr auto describe(Type<FoundVm>) {
  return structure<FoundVm>(
      "FoundVm", "A VM that could be registered.",
      field<&FoundVm::id>("id", "Immutable id: the name of its folder."),
      field<&FoundVm::name>("name", "Name, as its files say."),
      field<&FoundVm::cpus>("cpus", "Virtual CPUs."),
      field<&FoundVm::memory>("memory_bytes", "Memory."),
      field<&FoundVm::disks>("disks", "How many disks it has."),
      field<&FoundVm::problem>("problem", "Why it cannot be registered; empty: it may be."));
}

constexpr auto describe(Type<ExecResult>) {
  return structure<ExecResult>(
      "ExecResult", "How a command inside a guest ended.",
      field<&ExecResult::exit_code>("exit_code", "Its exit code; 128 + the signal that ended it."),
      field<&ExecResult::output_base64>("output_base64", "Its standard output.",
                                        {.max_length = kLongestExecOutput}),
      field<&ExecResult::error_output_base64>("error_output_base64", "Its standard error.",
                                              {.max_length = kLongestExecOutput}),
      field<&ExecResult::output_cut>("output_cut", "The agent cut the output off."),
      field<&ExecResult::error_output_cut>("error_output_cut",
                                           "The agent cut the standard error off."));
}

constexpr auto describe(Type<DatastoreView>) {
  return structure<DatastoreView>(
      "Datastore", "A storage pool.", field<&DatastoreView::id>("id", "Immutable id."),
      field<&DatastoreView::name>("name", "Unique name."),
      field<&DatastoreView::kind>("kind", "Kind."),
      field<&DatastoreView::path>("path", "Root directory."),
      field<&DatastoreView::shared>("shared", "Every host sees it."),
      field<&DatastoreView::host>("host", "The only host that has it."),
      field<&DatastoreView::status>("status", "What was last seen of it."),
      field<&DatastoreView::layers>("layers", "Volumes and image files on it."),
      field<&DatastoreView::created_at>("created_at", "When it was added."));
}

constexpr auto describe(Type<ImageView>) {
  return structure<ImageView>(
      "Image", "A disk image in the library.", field<&ImageView::id>("id", "Immutable id."),
      field<&ImageView::name>("name", "Unique name."),
      field<&ImageView::description>("description", "Notes."),
      field<&ImageView::datastore>("datastore", "Where it is."),
      field<&ImageView::kind>("kind", "What it is for."),
      field<&ImageView::size>("size_bytes", "Virtual size of its disk."),
      field<&ImageView::boot>("boot", "How guests made from it boot."),
      field<&ImageView::command_line>("command_line", "Kernel command line (direct kernel boot)."),
      field<&ImageView::state>("state", "State."),
      field<&ImageView::source>("source", "What it was made from."),
      field<&ImageView::checksum>("checksum", "Checksum of the source."),
      field<&ImageView::guests>("guests", "Guests that came from it."),
      field<&ImageView::etag>("etag", "For If-Match."),
      field<&ImageView::created_at>("created_at", "When it was added."));
}

constexpr auto describe(Type<HttpsView>) {
  return structure<HttpsView>(
      "Https", "How a host is reached over the network.",
      field<&HttpsView::url>("url", "URL of its API."),
      field<&HttpsView::fingerprint>("fingerprint",
                                     "SHA-256 of its certificate; what `ruche login` shows."));
}

constexpr auto describe(Type<CertificateView>) {
  return structure<CertificateView>(
      "Certificate", "What a host shows of itself over HTTPS.",
      field<&CertificateView::url>("url", "URL of its API."),
      field<&CertificateView::fingerprint>("fingerprint", "SHA-256 of the certificate."),
      field<&CertificateView::subject>("subject", "Whom it is about."),
      field<&CertificateView::names>("names", "Host names and addresses it is valid for."),
      field<&CertificateView::self_signed>("self_signed", "No authority vouches for it."),
      field<&CertificateView::not_before>("not_before", "Valid from."),
      field<&CertificateView::not_after>("not_after", "Valid until."),
      field<&CertificateView::certificate>("certificate", "The certificate itself (PEM)."));
}

constexpr auto describe(Type<UploadView>) {
  return structure<UploadView>(
      "Upload", "A file on its way from a client.", field<&UploadView::id>("id", "Immutable id."),
      field<&UploadView::name>("name", "Name for people."),
      field<&UploadView::user>("user", "Who sends it."),
      field<&UploadView::datastore>("datastore", "Where it is."),
      field<&UploadView::offset>("offset_bytes", "How much is on the disk for good."),
      field<&UploadView::size>("size_bytes", "Size of the whole file."),
      field<&UploadView::checksum>("checksum", "What the whole file must have."),
      field<&UploadView::task>("task", "The import that uses it."),
      field<&UploadView::created_at>("created_at", "When it was begun."),
      field<&UploadView::expires_at>("expires_at", "When it is given up."));
}

constexpr auto describe(Type<ForwardView>) {
  return structure<ForwardView>(
      "Forward", "A port of the host that leads to a guest.",
      field<&ForwardView::protocol>("protocol", "Protocol."),
      field<&ForwardView::host_address>("host_address", "At this address only; empty: at all."),
      field<&ForwardView::host_port>("host_port", "Port on the host."),
      field<&ForwardView::vm>("vm", "Name of the guest."),
      field<&ForwardView::vm_id>("vm_id", "The guest."),
      field<&ForwardView::address>("address", "The guest's address."),
      field<&ForwardView::guest_port>("guest_port", "Port in the guest."));
}

constexpr auto describe(Type<NetworkView>) {
  return structure<NetworkView>(
      "Network", "A network that guests are plugged into.",
      field<&NetworkView::id>("id", "Immutable id."),
      field<&NetworkView::name>("name", "Unique name."),
      field<&NetworkView::description>("description", "Notes."),
      field<&NetworkView::kind>("kind", "How it is joined to the rest of the world."),
      field<&NetworkView::subnet>("subnet", "IPv4 subnet."),
      field<&NetworkView::gateway>("gateway", "The host's address; DHCP and DNS answer there."),
      field<&NetworkView::dhcp>("dhcp", "Guests learn their address by DHCP."),
      field<&NetworkView::domain>("domain", "Guests are called <name>.<domain>."),
      field<&NetworkView::mtu>("mtu", "Largest packet."),
      field<&NetworkView::private_answers>("private_answers",
                                           "DNS answers with private addresses pass."),
      field<&NetworkView::forwards>("forwards", "Host ports that lead to guests."),
      field<&NetworkView::vms>("vms", "Guests plugged into it."),
      field<&NetworkView::host>("host", "The host that looks after it."),
      field<&NetworkView::status>("status", "What was last seen of it."),
      field<&NetworkView::etag>("etag", "For If-Match."),
      field<&NetworkView::created_at>("created_at", "When it was added."));
}

constexpr auto describe(Type<PoolView>) {
  return structure<PoolView>(
      "Pool", "A resource pool.", field<&PoolView::id>("id", "Immutable id."),
      field<&PoolView::name>("name", "Unique name."),
      field<&PoolView::description>("description", "Notes."),
      field<&PoolView::host>("host", "The host that keeps the reservation."),
      field<&PoolView::limits>("limits", "What its VMs may use together; 0: no limit."),
      field<&PoolView::reservation>("reservation", "What its host keeps for it."),
      field<&PoolView::shares>("shares", "Weight of each virtual CPU where VMs compete."),
      field<&PoolView::used>("used", "What its VMs use."),
      field<&PoolView::vms>("vms", "VMs in it, those in the recycle bin too."),
      field<&PoolView::etag>("etag", "For If-Match."),
      field<&PoolView::created_at>("created_at", "When it was made."));
}

constexpr auto describe(Type<HostView>) {
  return structure<HostView>(
      "Host", "A machine that runs ruched.", field<&HostView::id>("id", "Immutable id."),
      field<&HostView::name>("name", "Unique name."),
      field<&HostView::status>("status", "What it says of itself."),
      field<&HostView::ledger>("ledger", "What it has promised."),
      field<&HostView::guests>("guests", "Guests placed here."),
      field<&HostView::running>("running", "Guests that run here."),
      field<&HostView::is_self>("is_self", "The host that answered."),
      field<&HostView::https>("https", "How it is reached over the network."),
      field<&HostView::facts>("facts",
                              "What it is, read just now; only of the host that answered, and not "
                              "in lists."),
      field<&HostView::reduced>("reduced", "What guests do without here."));
}

constexpr auto describe(Type<Progress>) {
  return structure<Progress>(
      "Progress", "How far a task is.", field<&Progress::step>("step", "Current step, from 0."),
      field<&Progress::steps>("steps", "Steps in all."),
      field<&Progress::done>("done_bytes", "Done of the current step."),
      field<&Progress::total>("total_bytes", "Size of the current step; 0: unknown."),
      field<&Progress::text>("text", "What it does or waits for."),
      field<&Progress::parts_ended>("parts_ended",
                                    "Of a task for several objects: those that ended."),
      field<&Progress::parts>("parts", "Of a task for several objects: how many they are."));
}

constexpr auto describe(Type<TaskPart>) {
  return structure<TaskPart>(
      "TaskPart", "What becomes of one object of a task for several.",
      field<&TaskPart::object>("object", "The object."),
      field<&TaskPart::task>("task", "Its own task; absent: it was not begun."),
      field<&TaskPart::state>("state", "Where that stands."),
      field<&TaskPart::error>("error", "Why it refused or failed."));
}

constexpr auto describe(Type<TaskView>) {
  return structure<TaskView>(
      "Task", "A long operation.", field<&TaskView::id>("id", "Immutable id."),
      field<&TaskView::method>("method", "Method that made it."),
      field<&TaskView::summary>("summary", "One line for people."),
      field<&TaskView::object>("object", "What it is about."),
      field<&TaskView::host>("host", "Host that works on it."),
      field<&TaskView::user>("user", "Who asked."),
      field<&TaskView::parent>("parent", "The task for several objects that it is a part of."),
      field<&TaskView::state>("state", "State."),
      field<&TaskView::plan>("plan", "Its steps, in words."),
      field<&TaskView::progress>("progress", "How far it is."),
      field<&TaskView::parts>(
          "parts", "Of a task for several objects: what becomes of each; not in lists and events."),
      field<&TaskView::cancel_requested>("cancel_requested", "Why it shall end early."),
      field<&TaskView::error>("error", "Why it failed."),
      field<&TaskView::created_at>("created_at", "When it was accepted."),
      field<&TaskView::ended_at>("ended_at", "When it ended."));
}

constexpr auto describe(Type<PlanPart>) {
  return structure<PlanPart>("PlanPart", "What a request would do to one of its objects.",
                             field<&PlanPart::object>("object", "The object."),
                             field<&PlanPart::summary>("summary", "One line."),
                             field<&PlanPart::steps>("steps", "Its steps, in words."),
                             field<&PlanPart::error>("error", "Why it would be refused."));
}

constexpr auto describe(Type<PlanView>) {
  return structure<PlanView>("Plan", "What a request would do.",
                             field<&PlanView::summary>("summary", "One line."),
                             field<&PlanView::steps>("steps", "Its steps, in words."),
                             field<&PlanView::parts>("parts",
                                                     "Of a request for several objects: "
                                                     "what it would do to each."));
}

constexpr auto describe(Type<ChangeKind>) {
  return enumeration<ChangeKind>("ChangeKind", "What happened to an object.",
                                 value(ChangeKind::created, "created", "It is new."),
                                 value(ChangeKind::changed, "changed", "It changed."),
                                 value(ChangeKind::deleted, "deleted", "It is gone."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::PlacementView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::VmView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::FoundVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ExecResult>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HttpsView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CertificateView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UploadView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ForwardView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HostView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Progress>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskPart>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PlanPart>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PlanView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ChangeKind>();
