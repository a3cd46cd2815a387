// The closed list of error codes and the one table of reasons. A code exists only when some caller
// reacts to that one differently; a reason names the exact rule that was broken and never changes.
#pragma once

#include <cstdint>
#include <string_view>

namespace ruche {

enum class ErrorCode : std::uint8_t {
  invalid_argument,     // the request is wrong whatever the state; do not retry
  unauthenticated,      // say who you are
  permission_denied,    // you may not
  not_found,            // no such object
  already_exists,       // the name or id is taken
  conflict,             // the object changed or is claimed; read again, then retry
  failed_precondition,  // the object's state forbids it; change the state first
  resource_exhausted,   // no room now; free something first
  unsupported,          // this host or build cannot do it
  unavailable,          // a dependency is away; retry later with back-off
  deadline_exceeded,    // took too long; it may have happened
  data_loss,            // what was read makes no sense; that object is broken
  internal,             // a defect of ours
};

// X(identifier, "kebab-case-name", code, "what it means")
#define RUCHE_REASONS(X)                                                                          \
  X(malformed_json, "malformed-json", invalid_argument, "The body is not valid JSON.")            \
  X(unknown_field, "unknown-field", invalid_argument, "The request has a field we do not know.")  \
  X(missing_field, "missing-field", invalid_argument, "A required field is absent.")              \
  X(wrong_type, "wrong-type", invalid_argument, "The value has another JSON type.")               \
  X(out_of_range, "out-of-range", invalid_argument, "The number is outside its limits.")          \
  X(bad_format, "bad-format", invalid_argument, "The text does not have the required form.")      \
  X(unknown_value, "unknown-value", invalid_argument, "The value is not one of the allowed.")     \
  X(too_long, "too-long", invalid_argument, "The text or list is longer than allowed.")           \
  X(read_only_field, "read-only-field", invalid_argument, "Only the server fills this field.")    \
  X(bad_name, "bad-name", invalid_argument, "Names are [a-z0-9][a-z0-9-]{0,62}.")                 \
  X(bad_cursor, "bad-cursor", invalid_argument, "The list cursor is not one we gave.")            \
  X(bad_filter, "bad-filter", invalid_argument, "The filter expression does not parse.")          \
  X(bad_spec, "bad-spec", invalid_argument, "The specification contradicts itself.")              \
  X(too_many_objects, "too-many-objects", invalid_argument,                                       \
    "It is about more objects than one request may be.")                                          \
  X(topology_mismatch, "topology-mismatch", invalid_argument,                                     \
    "Sockets × cores × threads is not the number of CPUs.")                                       \
  X(memory_not_aligned, "memory-not-aligned", invalid_argument, "Memory is not whole MiB.")       \
  X(kernel_missing, "kernel-missing", invalid_argument, "Direct kernel boot without a kernel.")   \
  X(kernel_not_used, "kernel-not-used", invalid_argument,                                         \
    "A kernel command line without direct kernel boot.")                                          \
  X(duplicate_device, "duplicate-device", invalid_argument, "Two devices have one name.")         \
  X(duplicate_port, "duplicate-port", invalid_argument, "Two forwards use one host port.")        \
  X(port_in_use, "port-in-use", failed_precondition, "Something else has this host port.")        \
  X(too_many_devices, "too-many-devices", invalid_argument, "No PCI slot is left.")               \
  X(disk_too_small, "disk-too-small", invalid_argument, "The disk is smaller than its image.")    \
  X(bad_user_data, "bad-user-data", invalid_argument, "cloud-init would refuse this data.")       \
  X(bad_ssh_key, "bad-ssh-key", invalid_argument, "The text is not a public SSH key.")            \
  X(bad_tag, "bad-tag", invalid_argument, "A tag is empty, too long or has strange letters.")     \
  X(bad_subnet, "bad-subnet", invalid_argument, "The subnet cannot be a network's.")              \
  X(subnet_in_use, "subnet-in-use", failed_precondition,                                          \
    "The subnet overlaps with something that this host reaches.")                                 \
  X(network_full, "network-full", resource_exhausted, "The network has no free address.")         \
  X(network_unavailable, "network-unavailable", unavailable, "The network does not work here.")   \
  X(needs_shared_storage, "needs-shared-storage", failed_precondition,                            \
    "The target host does not see the guest's datastore.")                                        \
  X(bad_request, "bad-request", invalid_argument, "The request is malformed.")                    \
  X(body_too_large, "body-too-large", invalid_argument, "The body exceeds the limit.")            \
  X(header_too_large, "header-too-large", invalid_argument, "The request's head is too large.")   \
  X(method_not_allowed, "method-not-allowed", invalid_argument, "The path has no such verb.")     \
  X(not_authenticated, "not-authenticated", unauthenticated, "Nobody is logged in.")              \
  X(bad_credentials, "bad-credentials", unauthenticated, "User and password do not match.")       \
  X(weak_password, "weak-password", invalid_argument, "The password is too easy to guess.")       \
  X(locked_out, "locked-out", resource_exhausted, "Too many failed attempts; wait.")              \
  X(too_many_logins, "too-many-logins", resource_exhausted, "Too many log-ins at once.")          \
  X(last_administrator, "last-administrator", failed_precondition,                                \
    "Nobody could administer this any more.")                                                     \
  X(audit_unavailable, "audit-unavailable", unavailable,                                          \
    "Changes cannot be recorded at the moment.")                                                  \
  X(not_permitted, "not-permitted", permission_denied, "The role does not allow it.")             \
  X(no_such_route, "no-such-route", not_found, "The path does not exist.")                        \
  X(no_such_object, "no-such-object", not_found, "No object has this id or name.")                \
  X(nothing_matches, "nothing-matches", not_found, "The filter finds no object.")                 \
  X(name_in_use, "name-in-use", already_exists, "Another object has this name.")                  \
  X(idempotency_key_reused, "idempotency-key-reused", conflict,                                   \
    "The key was used for another request.")                                                      \
  X(revision_mismatch, "revision-mismatch", conflict, "If-Match does not match; read again.")     \
  X(claimed, "claimed", conflict, "A running task holds what this one needs.")                    \
  X(store_conflict, "store-conflict", conflict, "Another writer was first; retry.")               \
  X(wrong_state, "wrong-state", failed_precondition, "The object's state does not allow it.")     \
  X(object_broken, "object-broken", failed_precondition, "The object is marked broken.")          \
  X(in_use, "in-use", failed_precondition, "Something else still stands on this object.")         \
  X(already_listening, "already-listening", failed_precondition,                                  \
    "Another instance serves this address.")                                                      \
  X(not_owner, "not-owner", failed_precondition, "This host does not own the guest.")             \
  X(not_enough_memory, "not-enough-memory", resource_exhausted, "Not enough unreserved memory.")  \
  X(not_enough_cpus, "not-enough-cpus", resource_exhausted, "The CPU ratio would be exceeded.")   \
  X(not_enough_space, "not-enough-space", resource_exhausted, "The datastore is too full.")       \
  X(pool_limit, "pool-limit", resource_exhausted, "The resource pool's limit would be exceeded.") \
  X(too_many_connections, "too-many-connections", resource_exhausted, "Connection limit.")        \
  X(never_fits, "never-fits", failed_precondition, "This host could never run it.")               \
  X(host_cannot, "host-cannot", unsupported, "The host lacks what this needs.")                   \
  X(image_refused, "image-refused", invalid_argument, "The image is not safe or not readable.")   \
  X(guest_refused, "guest-refused", invalid_argument,                                             \
    "What lies on the disk is no guest of ours.")                                                 \
  X(format_mismatch, "format-mismatch", invalid_argument, "The image has another format.")        \
  X(checksum_mismatch, "checksum-mismatch", invalid_argument,                                     \
    "The file does not have the checksum that was given.")                                        \
  X(wrong_offset, "wrong-offset", conflict, "The piece does not begin where the upload ends.")    \
  X(too_many_uploads, "too-many-uploads", resource_exhausted, "Too many uploads are open.")       \
  X(download_refused, "download-refused", failed_precondition,                                    \
    "The server does not give the file.")                                                         \
  X(download_failed, "download-failed", unavailable, "The download broke off too often.")         \
  X(store_unavailable, "store-unavailable", unavailable, "The state store did not answer.")       \
  X(store_outcome_unknown, "store-outcome-unknown", unavailable, "A commit may have happened.")   \
  X(history_compacted, "history-compacted", unavailable, "That revision is gone; list again.")    \
  X(datastore_unavailable, "datastore-unavailable", unavailable, "The datastore did not answer.") \
  X(host_unavailable, "host-unavailable", unavailable, "The owning host did not answer.")         \
  X(hypervisor_failed, "hypervisor-failed", unavailable, "QEMU ended or did not answer.")         \
  X(process_failed, "process-failed", unavailable, "A helper process failed.")                    \
  X(io_failed, "io-failed", unavailable, "The operating system refused an operation.")            \
  X(bad_certificate, "bad-certificate", invalid_argument,                                         \
    "The certificate or its key cannot be used.")                                                 \
  X(untrusted_certificate, "untrusted-certificate", failed_precondition,                          \
    "The server's certificate is not the trusted one.")                                           \
  X(tls_failed, "tls-failed", unavailable, "No secure connection came about.")                    \
  X(peer_gone, "peer-gone", unavailable, "The other side closed the connection.")                 \
  X(protocol_violation, "protocol-violation", data_loss, "The other side broke the protocol.")    \
  X(document_unreadable, "document-unreadable", data_loss, "A stored document makes no sense.")   \
  X(deadline, "deadline", deadline_exceeded, "The deadline passed.")                              \
  X(no_agent, "no-agent", failed_precondition, "The guest has no agent that answers.")            \
  X(agent_failed, "agent-failed", unavailable, "The guest's agent failed or answered nonsense.")  \
  X(agent_answer_too_large, "agent-answer-too-large", resource_exhausted,                         \
    "The guest's agent said more than is taken from it.")                                         \
  X(command_still_runs, "command-still-runs", deadline_exceeded,                                  \
    "The command in the guest did not end in time.")                                              \
  X(no_route, "no-route", failed_precondition, "Nothing leads from here into the guest.")         \
  X(guest_ignored_shutdown, "guest-ignored-shutdown", deadline_exceeded,                          \
    "The guest did not power off in time.")                                                       \
  X(guest_did_not_follow, "guest-did-not-follow", deadline_exceeded,                              \
    "The guest did not follow a change of its hardware in time.")                                 \
  X(device_forbids, "device-forbids", failed_precondition, "A device of the guest forbids it.")   \
  X(memory_unusable, "memory-unusable", failed_precondition,                                      \
    "The guest cannot go on from its saved memory.")                                              \
  X(some_failed, "some-failed", failed_precondition, "Not every one of several succeeded.")       \
  X(task_cancelled, "task-cancelled", failed_precondition, "The task was cancelled.")             \
  X(internal_error, "internal-error", internal, "A defect in Ruche.")

enum class Reason : std::uint8_t {
#define X(id, name, code, summary) id,
  RUCHE_REASONS(X)
#undef X
};

struct ReasonInfo {
  std::string_view name;  // kebab-case, stable: scripts match on it
  ErrorCode code;
  std::string_view summary;
};

const ReasonInfo& reason_info(Reason reason);
// The reason with this kebab-case name; internal_error when there is none (a newer peer).
Reason reason_named(std::string_view name);

std::string_view to_string(ErrorCode code);
ErrorCode error_code_named(std::string_view name);
// RFC 9110 section 15. Of a reason it is the code's status, except where HTTP has a more exact one
// (405, 410, 412, 413, 429, 507).
int http_status(ErrorCode code);
int http_status(Reason reason);
// Of the `ruche` command: 0 success, 1 anything without a code, 2 wrong usage, then 3 + the code's
// position in the list above. docs/conventions.md has the table.
int exit_code(ErrorCode code);

}  // namespace ruche
