// What the API answers: objects as users see them, rendered from documents.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/guest.hpp"
#include "model/hardware_change.hpp"
#include "model/host.hpp"
#include "model/host_facts.hpp"
#include "model/network.hpp"
#include "model/placement.hpp"
#include "model/pool.hpp"
#include "model/storage.hpp"
#include "model/task.hpp"

namespace ruche::model {

struct PlacementView {
  std::string host;  // name
  HostId host_id;
  std::uint64_t epoch = 0;
  PowerWish wish = PowerWish::off;
  Reservation reserved;
};

struct VmView {
  GuestId id;
  std::string name;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
  std::string image;      // name or id
  std::string datastore;  // name
  std::string pool;       // name or id; empty: none
  bool is_template = false;
  std::string snapshot;  // name of the one that it goes on from; empty: none
  std::uint32_t snapshots = 0;
  std::uint32_t uid = 0;
  VmSpec spec;
  GuestStatus status;
  PlacementView placement;
  std::vector<Claim> claims;  // open tasks
  std::vector<HardwareChange> pending;
  std::string etag;
  Timestamp created_at;
  std::optional<Timestamp> deleted_at;
};

// A guest whose files lie on a datastore and that the store does not know. What its files say is
// not to be trusted.
struct FoundVm {
  GuestId id;
  std::string name;
  std::uint32_t cpus = 0;
  Bytes memory;
  std::uint32_t disks = 0;
  std::string problem;
};

// Of one stream in base64: above what an agent's answer can hold (drivers/qemu, 24 MiB).
inline constexpr std::size_t kLongestExecOutput = 32 << 20;

struct ExecResult {
  std::int32_t exit_code = 0;
  std::string output_base64;
  std::string error_output_base64;
  bool output_cut = false;
  bool error_output_cut = false;
};

struct DatastoreView {
  DatastoreId id;
  std::string name;
  DatastoreKind kind = DatastoreKind::dir;
  std::string path;
  bool shared = false;
  std::string host;  // name, when not shared
  DatastoreStatus status;
  std::uint32_t layers = 0;
  Timestamp created_at;
};

struct ImageView {
  ImageId id;
  std::string name;
  std::string description;
  std::string datastore;  // name
  ImageKind kind = ImageKind::disk;
  Bytes size;
  BootKind boot = BootKind::bios;
  std::string command_line;
  ImageState state = ImageState::preparing;
  std::string source;
  std::string checksum;
  std::uint32_t guests = 0;
  std::string etag;
  Timestamp created_at;
};

// How a host is reached over the network.
struct HttpsView {
  std::string url;
  std::string fingerprint;
};

struct CertificateView {
  std::string url;
  std::string fingerprint;
  std::string subject;
  std::vector<std::string> names;
  bool self_signed = false;
  Timestamp not_before;
  Timestamp not_after;
  std::string certificate;
};

struct UploadView {
  UploadId id;
  std::string name;
  std::string user;
  std::string datastore;  // name
  Bytes offset;
  Bytes size;
  std::string checksum;
  std::optional<TaskId> task;
  Timestamp created_at;
  Timestamp expires_at;
};

struct ForwardView {
  Protocol protocol = Protocol::tcp;
  std::string host_address;
  std::uint16_t host_port = 0;
  std::string vm;  // name
  GuestId vm_id;
  std::string address;  // of the guest on the network
  std::uint16_t guest_port = 0;
};

struct NetworkView {
  NetworkId id;
  std::string name;
  std::string description;
  NetworkKind kind = NetworkKind::nat;
  std::string subnet;
  std::string gateway;
  bool dhcp = true;
  std::string domain;
  std::uint32_t mtu = 1500;
  bool private_answers = false;
  std::vector<ForwardView> forwards;
  std::uint32_t vms = 0;
  std::string host;  // name
  NetworkStatus status;
  std::string etag;
  Timestamp created_at;
};

struct PoolView {
  PoolId id;
  std::string name;
  std::string description;
  std::string host;  // name
  PoolLimits limits;
  Reservation reservation;
  std::uint32_t shares = kUsualShares;
  PoolLedger used;
  std::uint32_t vms = 0;
  std::string etag;
  Timestamp created_at;
};

struct HostView {
  HostId id;
  std::string name;
  HostStatus status;
  Ledger ledger;
  std::uint32_t guests = 0;
  std::uint32_t running = 0;
  bool is_self = false;
  std::optional<HttpsView> https;
  std::optional<HostFacts> facts;  // read when asked: of the host that answers, not in lists
  std::vector<Reduced> reduced;
};

struct Progress {
  std::uint32_t step = 0;   // of the plan, from 0
  std::uint32_t steps = 0;
  Bytes done;               // of the current step, when it is measured in bytes
  Bytes total;
  std::string text;         // what it is doing or waiting for
  std::uint32_t parts_ended = 0;  // of a task for several objects
  std::uint32_t parts = 0;
};

// What becomes of one of the objects of a task for several.
struct TaskPart {
  ObjectRef object;
  std::optional<TaskId> task;  // absent: it was not begun
  TaskState state = TaskState::waiting;
  std::optional<Problem> error;
};

struct TaskView {
  TaskId id;
  std::string method;
  std::string summary;
  ObjectRef object;
  std::string host;  // name
  std::string user;
  std::optional<TaskId> parent;
  TaskState state = TaskState::waiting;
  std::vector<std::string> plan;  // a sentence per step
  Progress progress;
  std::vector<TaskPart> parts;  // not in lists and events
  std::optional<CancelKind> cancel_requested;
  std::optional<Problem> error;
  Timestamp created_at;
  std::optional<Timestamp> ended_at;
};

// What a change of several objects would do to one of them.
struct PlanPart {
  ObjectRef object;
  std::string summary;
  std::vector<std::string> steps;
  std::optional<Problem> error;
};

// What a change would do: the answer to dry_run.
struct PlanView {
  std::string summary;
  std::vector<std::string> steps;
  std::vector<PlanPart> parts;
};

enum class ChangeKind { created, changed, deleted };

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PlacementView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::VmView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::FoundVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ExecResult>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HttpsView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CertificateView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UploadView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ForwardView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HostView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Progress>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskPart>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PlanPart>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PlanView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ChangeKind>();
