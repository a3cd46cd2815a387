#include "model/requests.hpp"

namespace ruche::model {

constexpr auto describe(Type<NewDisk>) {
  return structure<NewDisk>(
      "NewDisk", "A disk to create.",
      field<&NewDisk::size>("size_bytes", "Capacity.", {.required = true, .min = 1 << 20}),
      field<&NewDisk::bus>("bus", "Disk controller."),
      field<&NewDisk::format>("format", "How it is stored."));
}

constexpr auto describe(Type<CreateVm>) {
  return structure<CreateVm>(
      "CreateVm", "A virtual machine to create.", hardware_of(Type<CreateVm>()),
      fields(
          field<&CreateVm::no_nic>("no_nic", "Without a network adapter."),
          field<&CreateVm::network>("network",
                                    "Network of its adapter: name or id; `user` is QEMU's own NAT.",
                                    {.format = "reference", .example = "default"}),
          field<&CreateVm::forwards>("forwards", "Host ports that lead into the guest.",
                                     {.max_length = 64, .flag = "forward"}),
          field<&CreateVm::cdroms>("cdroms", "Image of kind iso to put into a CD-ROM drive.",
                                   {.max_length = 4, .format = "reference", .flag = "cdrom"}),
          field<&CreateVm::boot>("boot", "What it starts with; as its image says when absent."),
          field<&CreateVm::secure_boot>(
              "secure_boot",
              "Secure Boot: its firmware starts signed programs only; with "
              "`boot` uefi."),
          field<&CreateVm::boot_order>(
              "boot_order", "Device that it tries to boot from, as in disk0, cdrom0, nic0.",
              {.max_length = 28, .flag = "boot-order"}),
          field<&CreateVm::tpm>("tpm", "Gives it a TPM 2.0."),
          field<&CreateVm::serial_ports>("serial_ports", "Serial ports; the first is the console.",
                                         {.min = 1, .max = kMostSerialPorts}),
          field<&CreateVm::display>("display", "The screen."),
          field<&CreateVm::sound>("sound", "The sound card."),
          field<&CreateVm::smbios>("smbios", "What its board says of itself (SMBIOS)."),
          field<&CreateVm::numa>("numa", "NUMA nodes that it sees."),
          field<&CreateVm::huge_pages>("huge_pages", "Huge pages of the host for its memory."),
          field<&CreateVm::cpu_pins>("cpu_pins",
                                     "Hardware threads that each CPU may run on, as in 0-3; given "
                                     "once: for all.",
                                     {.max_length = 512, .flag = "cpu-pin"}),
          field<&CreateVm::pool>("pool", "Resource pool: name or id.", {.format = "reference"}),
          field<&CreateVm::user>("user",
                                 "Name of the guest's first user (cloud-init); `ruche` when "
                                 "only its keys or its password are given.",
                                 {.max_length = 32}),
          field<&CreateVm::ssh_keys>("ssh_keys", "Public SSH key that may log in as that user.",
                                     {.max_length = 64, .format = "ssh-key", .flag = "ssh-key"}),
          field<&CreateVm::password>(
              "password", "Password of that user; kept as a hash only.",
              {.max_length = 512, .format = "secret-file", .flag = "password-file"}),
          field<&CreateVm::host_name>(
              "host_name", "The guest's host name; its own name when absent.", {.max_length = 253}),
          field<&CreateVm::packages>("packages", "Package to install at the first boot.",
                                     {.max_length = 256, .flag = "package"}),
          field<&CreateVm::user_data>("user_data", "cloud-init user-data.",
                                      {.max_length = 65536, .format = "file"}),
          field<&CreateVm::vendor_data>("vendor_data", "cloud-init vendor-data.",
                                        {.max_length = 65536, .format = "file"}),
          field<&CreateVm::watchdog>("watchdog", "Gives it a watchdog (i6300esb) that does this."),
          field<&CreateVm::autostart>("autostart", "Start it after a boot of the host."),
          field<&CreateVm::start_order>(
              "start_order",
              "Guests with a lower number are started earlier and shut down "
              "later."),
          field<&CreateVm::start_delay>("start_delay_ms", "Pause before the next one is started.",
                                        {.max = 3'600'000}),
          field<&CreateVm::restart_policy>("restart_policy", "What happens after a crash."),
          field<&CreateVm::on_host_shutdown>("on_host_shutdown",
                                             "What happens when its host goes down."),
          field<&CreateVm::start>("start", "Start it when it is there.")));
}

constexpr auto describe(Type<VmEdit>) {
  return structure<VmEdit>(
      "VmEdit", "What can be changed of a VM.",
      field<&VmEdit::name>("name", "Unique name.", {.format = "name"}),
      field<&VmEdit::display_name>("display_name", "Name for people.", {.max_length = 200}),
      field<&VmEdit::description>("description", "Notes.", {.max_length = 4096}),
      field<&VmEdit::tags>("tags", "Tags.", {.max_length = 64, .flag = "tag"}),
      field<&VmEdit::cpus>("cpus", "Virtual CPUs.", {.min = 1, .max = 512}),
      field<&VmEdit::cpus_max>("cpus_max", "What `cpus` can grow to while it runs; 0: no more.",
                               {.max = 512}),
      field<&VmEdit::topology>("topology", "Sockets, cores, threads."),
      field<&VmEdit::cpu_baseline>("cpu_baseline", "The processor the guest sees."),
      field<&VmEdit::memory>("memory_bytes", "Memory.", {.min = 16 << 20}),
      field<&VmEdit::memory_max>("memory_max_bytes",
                                 "What its memory can grow to while it runs; 0: no more."),
      field<&VmEdit::memory_min>("memory_min_bytes",
                                 "What is left to it at least when memory is taken back from it; "
                                 "0: it has no balloon."),
      field<&VmEdit::memory_target>("memory_target_bytes",
                                    "What it shall use at most at the moment; 0: all."),
      field<&VmEdit::memory_kind>("memory_kind", "How the memory is held."),
      field<&VmEdit::command_line>("command_line", "Kernel command line (direct kernel boot).",
                                   {.max_length = 2048}),
      field<&VmEdit::watchdog>("watchdog", "Its watchdog (i6300esb), and what that does."),
      field<&VmEdit::autostart>("autostart", "Start it after a boot of the host."),
      field<&VmEdit::start_order>("start_order",
                                  "Guests with a lower number are started earlier and shut down "
                                  "later."),
      field<&VmEdit::start_delay>("start_delay_ms", "Pause before the next one is started.",
                                  {.max = 3'600'000}),
      field<&VmEdit::restart_policy>("restart_policy", "What happens after a crash."),
      field<&VmEdit::on_host_shutdown>("on_host_shutdown", "What happens when its host goes down."),
      field<&VmEdit::boot_order>("boot_order",
                                 "Device that it tries to boot from, as in disk0, cdrom0, nic0.",
                                 {.max_length = 28, .flag = "boot-order"}),
      field<&VmEdit::serial_ports>("serial_ports", "Serial ports; the first is the console.",
                                   {.min = 1, .max = kMostSerialPorts}),
      field<&VmEdit::display>("display", "The screen."),
      field<&VmEdit::sound>("sound", "The sound card."),
      field<&VmEdit::smbios>("smbios", "What its board says of itself (SMBIOS)."),
      field<&VmEdit::numa>("numa", "NUMA nodes that it sees."),
      field<&VmEdit::huge_pages>("huge_pages", "Huge pages of the host for its memory."),
      field<&VmEdit::cpu_pins>("cpu_pins",
                               "Hardware threads that each CPU may run on, as in 0-3; given once: "
                               "for all.",
                               {.max_length = 512, .flag = "cpu-pin"}),
      field<&VmEdit::pool>("pool", "Resource pool: name or id; empty: none."));
}

constexpr auto describe(Type<VmRef>) {
  return structure<VmRef>(
      "VmRef", "A virtual machine.",
      field<&VmRef::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}));
}

constexpr auto describe(Type<ConsoleVm>) {
  return structure<ConsoleVm>(
      "ConsoleVm", "A serial port of a virtual machine.",
      field<&ConsoleVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&ConsoleVm::port>("port", "Which of its serial ports; 0 is the console.",
                              {.max = kMostSerialPorts - 1}));
}

constexpr auto describe(Type<ShutdownVm>) {
  return structure<ShutdownVm>(
      "ShutdownVm", "An orderly shutdown.",
      field<&ShutdownVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&ShutdownVm::timeout>("timeout_ms", "How long the guest may take.",
                                  {.min = 1000, .max = 3'600'000}),
      field<&ShutdownVm::then_stop>("then_stop", "Stop it the hard way after that."));
}

constexpr auto describe(Type<FreezeVm>) {
  return structure<FreezeVm>(
      "FreezeVm", "A freeze of a guest's file systems.",
      field<&FreezeVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&FreezeVm::hold>("hold_ms", "Thaw after this time, whatever happens.",
                             {.min = 1000, .max = 600'000}));
}

constexpr auto describe(Type<ExecVm>) {
  return structure<ExecVm>(
      "ExecVm", "A command to run inside a guest.",
      field<&ExecVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&ExecVm::command>("command", "Program and arguments; no shell reads them.",
                              {.required = true, .max_length = 1024}),
      field<&ExecVm::environment>("environment", "NAME=value for the command; it has no other.",
                                  {.max_length = 256, .flag = "env"}),
      field<&ExecVm::input_base64>("input_base64", "Its standard input.", {.max_length = 1 << 20}),
      field<&ExecVm::timeout>("timeout_ms", "How long it may take.",
                              {.min = 1000, .max = 3'600'000}));
}

constexpr auto describe(Type<StopVm>) {
  return structure<StopVm>(
      "StopVm", "A stop like pulling the plug.",
      field<&StopVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&StopVm::force>("force", "Cancel the task that holds its power state."));
}

constexpr auto describe(Type<DeleteVm>) {
  return structure<DeleteVm>(
      "DeleteVm", "A deletion; into the recycle bin unless purged.",
      field<&DeleteVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&DeleteVm::purge>("purge", "For good, now."),
      field<&DeleteVm::stop>("stop", "Stop it first when it runs."));
}

constexpr auto describe(Type<UndeleteVm>) {
  return structure<UndeleteVm>(
      "UndeleteVm", "Takes a VM out of the recycle bin.",
      field<&UndeleteVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&UndeleteVm::new_name>("new_name", "Another name, when the old one is taken.",
                                   {.format = "name"}));
}

constexpr auto describe(Type<MoveVm>) {
  return structure<MoveVm>(
      "MoveVm", "A cold move of a stopped VM.",
      field<&MoveVm::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&MoveVm::host>("host", "Target host: name or id.",
                           {.required = true, .format = "reference"}));
}

constexpr auto describe(Type<RegisterVm>) {
  return structure<RegisterVm>(
      "RegisterVm", "A VM to take in from its files.",
      field<&RegisterVm::guest>(
          "guest", "Its name or id, as its files say.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&RegisterVm::datastore>("datastore", "Where its files are: name or id.",
                                    {.format = "reference"}),
      field<&RegisterVm::name>("name", "Another name than its files say.", {.format = "name"}),
      field<&RegisterVm::network>("network",
                                  "Network of its adapters: name or id; `user` is QEMU's own NAT.",
                                  {.format = "reference", .example = "default"}));
}

constexpr auto describe(Type<ImportImageRequest>) {
  return structure<ImportImageRequest>(
      "ImportImageRequest", "An image file to import: of the host, from a URL or uploaded.",
      field<&ImportImageRequest::name>("name", "Unique name.",
                                       {.required = true, .format = "name", .positional = true}),
      field<&ImportImageRequest::description>("description", "Notes.", {.max_length = 4096}),
      field<&ImportImageRequest::path>("path", "Absolute path on the host.",
                                       {.format = "path", .positional = true}),
      field<&ImportImageRequest::url>(
          "url", "Where to download it from: http or https.",
          {.max_length = 4096, .example = "https://example.org/debian.qcow2"}),
      field<&ImportImageRequest::upload>("upload", "Id of a complete upload.",
                                         {.format = "reference", .flag = "upload-id"}),
      field<&ImportImageRequest::checksum>(
          "checksum", "What the file must have: sha256:<64 hex digits>.", {.max_length = 71}),
      field<&ImportImageRequest::format>("format", "Declared format; raw must be declared."),
      field<&ImportImageRequest::datastore>("datastore", "Datastore: name or id.",
                                            {.format = "reference"}));
}

constexpr auto describe(Type<BuildImageRequest>) {
  return structure<BuildImageRequest>(
      "BuildImageRequest", "An image to build from packages.",
      field<&BuildImageRequest::recipe>("recipe", "What to build: demo or debian.",
                                        {.required = true, .format = "name", .positional = true}),
      field<&BuildImageRequest::name>("name", "Unique name; the recipe's when absent.",
                                      {.format = "name"}),
      field<&BuildImageRequest::datastore>("datastore", "Datastore: name or id.",
                                           {.format = "reference"}));
}

constexpr auto describe(Type<ImageRef>) {
  return structure<ImageRef>(
      "ImageRef", "An image.",
      field<&ImageRef::image>("image", "Name or id.",
                              {.required = true, .format = "reference", .positional = true}));
}

constexpr auto describe(Type<CreateUpload>) {
  return structure<CreateUpload>(
      "CreateUpload", "A file to send in pieces.",
      field<&CreateUpload::name>("name", "Name for people.", {.max_length = 200}),
      field<&CreateUpload::size>("size_bytes", "Size of the whole file.",
                                 {.required = true, .min = 1}),
      field<&CreateUpload::checksum>("checksum", "Of the whole file: sha256:<64 hex digits>.",
                                     {.required = true, .max_length = 71}),
      field<&CreateUpload::datastore>("datastore", "Datastore: name or id.",
                                      {.format = "reference"}));
}

constexpr auto describe(Type<UploadRef>) {
  return structure<UploadRef>(
      "UploadRef", "An upload.",
      field<&UploadRef::upload>("upload", "Id.",
                                {.required = true, .format = "reference", .positional = true}));
}

constexpr auto describe(Type<WriteUpload>) {
  return structure<WriteUpload>(
      "WriteUpload", "The next piece of an upload.",
      field<&WriteUpload::upload>("upload", "Id.",
                                  {.required = true, .format = "reference", .positional = true}),
      field<&WriteUpload::offset>("offset_bytes",
                                  "Where the piece begins: how much is there already.",
                                  {.required = true, .min = 0}));
}

constexpr auto describe(Type<CreateDatastore>) {
  return structure<CreateDatastore>(
      "CreateDatastore", "A datastore to add.",
      field<&CreateDatastore::name>("name", "Unique name.",
                                    {.required = true, .format = "name", .positional = true}),
      field<&CreateDatastore::kind>("kind", "Kind."),
      field<&CreateDatastore::path>("path", "Root directory on the host.",
                                    {.required = true, .format = "path"}),
      field<&CreateDatastore::shared>("shared", "Every host sees the same files there."),
      field<&CreateDatastore::adopt>("adopt",
                                     "Take over the place of a datastore that no store knows any "
                                     "more, with the guests in it."));
}

constexpr auto describe(Type<DatastoreRef>) {
  return structure<DatastoreRef>(
      "DatastoreRef", "A datastore.",
      field<&DatastoreRef::datastore>(
          "datastore", "Name or id.",
          {.required = true, .format = "reference", .positional = true}));
}

constexpr auto describe(Type<TaskRef>) {
  return structure<TaskRef>(
      "TaskRef", "A task.",
      field<&TaskRef::task>("task", "Id.",
                            {.required = true, .format = "reference", .positional = true}));
}

constexpr auto describe(Type<HostRef>) {
  return structure<HostRef>(
      "HostRef", "A host.",
      field<&HostRef::host>("host", "Name or id; `self` is the one you talk to.",
                            {.required = true, .format = "reference", .positional = true}));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::NewDisk>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::VmEdit>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::VmRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ConsoleVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ShutdownVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::FreezeVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ExecVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::StopVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DeleteVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UndeleteVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::MoveVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RegisterVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ImportImageRequest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::BuildImageRequest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateUpload>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UploadRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::WriteUpload>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateDatastore>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HostRef>();
