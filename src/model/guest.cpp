#include "model/guest.hpp"

namespace ruche::model {

constexpr auto describe(Type<GuestKind>) {
  return enumeration<GuestKind>("GuestKind", "The two kinds of guest.",
                                value(GuestKind::vm, "vm", "A virtual machine."),
                                value(GuestKind::container, "container", "An LXC container."));
}

constexpr auto describe(Type<GuestSeed>) {
  return structure<GuestSeed>(
      "GuestSeed", "What is secret of a guest's seed.",
      field<&GuestSeed::password_hash>("password_hash", "Hash of the user's password (crypt(5))."),
      field<&GuestSeed::user_data>("user_data", "The user-data as it was given.",
                                   {.max_length = kLongestSealedText}),
      field<&GuestSeed::vendor_data>("vendor_data", "The vendor-data as it was given.",
                                     {.max_length = kLongestSealedText}));
}

constexpr auto describe(Type<SnapshotSchedule>) {
  using S = SnapshotSchedule;
  return structure<S>("SnapshotSchedule", "Snapshots that are taken by themselves.",
                      field<&S::name>("name", "Name of the schedule.", {.format = "name"}),
                      field<&S::every>("every_ms", "Time between two of them.", {.min = 60'000}),
                      field<&S::keep>("keep", "How many of them are kept.", {.min = 1, .max = 500}),
                      field<&S::memory>("memory", "With memory, while it runs."),
                      field<&S::quiesce>("quiesce", "Its agent freezes the file systems for it."));
}

constexpr auto describe(Type<GuestConfiguration>) {
  using G = GuestConfiguration;
  return structure<G>("GuestConfiguration", "What can be changed of a guest.",
                      field<&G::name>("name", "Unique name."),
                      field<&G::display_name>("display_name", "Name for people."),
                      field<&G::description>("description", "Notes."),
                      field<&G::tags>("tags", "Tags."),
                      field<&G::pool>("pool", "Its resource pool."),
                      field<&G::snapshot>("snapshot", "The snapshot that it goes on from."),
                      field<&G::spec>("spec", "Hardware."),
                      field<&G::is_template>("template", "Others are made from it."),
                      field<&G::schedules>("schedules", "Snapshots taken by themselves."));
}

constexpr auto describe(Type<Guest>) {
  return structure<Guest>(
      "Guest", "A guest as the store keeps it.", field<&Guest::id>("id", "Immutable id."),
      field<&Guest::kind>("kind", "Virtual machine or container."),
      field<&Guest::name>("name", "Unique name.", {.format = "name"}),
      field<&Guest::display_name>("display_name", "Name for people.", {.max_length = 200}),
      field<&Guest::description>("description", "Notes.", {.max_length = 4096}),
      field<&Guest::tags>("tags", "Tags.", {.max_length = 64}),
      field<&Guest::datastore>("datastore", "Datastore of its directory."),
      field<&Guest::image>("image", "The image it came from."),
      field<&Guest::uid>("uid", "User id of its process."),
      field<&Guest::pool>("pool", "The resource pool it belongs to."),
      field<&Guest::spec>("spec", "Hardware."),
      field<&Guest::seed>("seed", "What is secret of its seed."),
      field<&Guest::is_template>("template", "Others are made from it; it never starts."),
      field<&Guest::snapshot>("snapshot", "The snapshot that it goes on from."),
      field<&Guest::schedules>("schedules", "Snapshots that are taken by themselves.",
                               {.max_length = kMostSchedules}),
      field<&Guest::created_at>("created_at", "When it was created."),
      field<&Guest::deleted_at>("deleted_at", "In the recycle bin since."));
}

constexpr auto describe(Type<GuestState>) {
  return enumeration<GuestState>(
      "GuestState", "What the owner observed last.",
      value(GuestState::provisioning, "provisioning", "Its volumes are being made."),
      value(GuestState::stopped, "stopped", "It has no process."),
      value(GuestState::running, "running", "Its CPUs run."),
      value(GuestState::paused, "paused", "It has a process, its CPUs stand still."),
      value(GuestState::suspended, "suspended",
            "It has no process; its memory is saved on its datastore."),
      value(GuestState::crashed, "crashed", "Its process ended without being asked."),
      value(GuestState::broken, "broken", "What was read of it makes no sense; see last_error."));
}

constexpr auto describe(Type<PauseCause>) {
  return enumeration<PauseCause>(
      "PauseCause", "Why a guest's CPUs stand still.",
      value(PauseCause::asked, "asked", "Somebody paused it."),
      value(PauseCause::no_space, "no-space",
            "A disk's datastore is full; it goes on by itself when there is room."),
      value(PauseCause::panic, "panic", "Its system gave up (panic, blue screen)."),
      value(PauseCause::watchdog, "watchdog", "It did not feed its watchdog."),
      value(PauseCause::other, "other", "QEMU stopped it."));
}

constexpr auto describe(Type<DiskStatus>) {
  return structure<DiskStatus>("DiskStatus", "A disk as the hypervisor has it.",
                               field<&DiskStatus::name>("name", "Disk name."),
                               field<&DiskStatus::path>("path", "File of its top layer."));
}

constexpr auto describe(Type<AgentStatus>) {
  return structure<AgentStatus>(
      "AgentStatus", "What the agent inside the guest says; not to be trusted.",
      field<&AgentStatus::connected>("connected", "It answers."),
      field<&AgentStatus::version>("version", "Version of the agent."),
      field<&AgentStatus::host_name>("host_name", "Host name."),
      field<&AgentStatus::os>("os", "Operating system."),
      field<&AgentStatus::kernel>("kernel", "Kernel release."),
      field<&AgentStatus::initialized>("initialized", "cloud-init has done all of its work."),
      field<&AgentStatus::ssh_host_keys>("ssh_host_keys", "Public keys of its SSH server."));
}

constexpr auto describe(Type<SavedMemory>) {
  return structure<SavedMemory>("SavedMemory", "The memory of a suspended guest, or of a snapshot.",
                                field<&SavedMemory::layer>("layer", "Layer that holds it."),
                                field<&SavedMemory::size>("size_bytes", "Its size."),
                                field<&SavedMemory::at>("at", "When it was saved."));
}

constexpr auto describe(Type<RunningHardware>) {
  return structure<RunningHardware>(
      "RunningHardware", "The hardware that a guest's process has.",
      field<&RunningHardware::spec>("spec", "As of a specification."),
      field<&RunningHardware::base_memory>("base_memory_bytes", "Memory that it started with."),
      field<&RunningHardware::ports>("ports", "Its PCI root ports."));
}

constexpr auto describe(Type<GuestStatus>) {
  return structure<GuestStatus>(
      "GuestStatus", "What the owner observed.", field<&GuestStatus::state>("state", "State."),
      field<&GuestStatus::epoch>("epoch", "Placement epoch of the observation."),
      field<&GuestStatus::pid>("pid", "Process id of QEMU."),
      field<&GuestStatus::qemu_argv>("qemu_argv", "QEMU's command line."),
      field<&GuestStatus::accelerator>("accelerator", "kvm or tcg."),
      field<&GuestStatus::addresses>("addresses", "Known IP addresses."),
      field<&GuestStatus::disks>("disks", "Disks."),
      field<&GuestStatus::cgroup>("cgroup", "Control group of its process."),
      field<&GuestStatus::last_error>("last_error",
                                      "Why it crashed or is broken, or why a start failed."),
      field<&GuestStatus::started_at>("started_at", "When its CPUs first ran."),
      field<&GuestStatus::crashes>("crashes", "Crashes since the last wished start."),
      field<&GuestStatus::agent>("agent", "What its agent says."),
      field<&GuestStatus::thaw_at>("thaw_at", "Its file systems are frozen, at most until then."),
      field<&GuestStatus::running>("running",
                                   "The hardware that its process has, or had when it "
                                   "was suspended."),
      field<&GuestStatus::saved>("saved", "Its memory, while it is suspended."),
      field<&GuestStatus::pause_cause>("pause_cause", "Why its CPUs stand still."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestSeed>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotSchedule>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestConfiguration>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Guest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PauseCause>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskStatus>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AgentStatus>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SavedMemory>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RunningHardware>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestStatus>();
