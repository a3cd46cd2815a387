// What a guest is told at its first boot. Ours goes into vendor-data and the user's own user-data
// stays as it was given, so that cloud-init lets the user's settings win (ADR 12).
#pragma once

#include <optional>
#include <vector>

#include "base/random.hpp"
#include "model/requests.hpp"
#include "ports/hypervisor.hpp"
#include "ports/sealing.hpp"

namespace ruche::core {

inline constexpr const char* kDefaultUser = "ruche";

// What a creation asks for; nothing when it names none of it. Throws bad_user_data, bad_ssh_key or
// bad_format at the field of the request. A password is hashed here (crypt(5), SHA-512), which
// takes a few milliseconds.
struct Seeding {
  model::CloudInit shown;
  model::GuestSeed secret;
};
std::optional<Seeding> plan_seed(const model::CreateVm& request, Random& random);

// As the store keeps it.
model::GuestSeed sealed(const model::GuestSeed& plain, ports::Sealing& sealing);
// What another host has sealed is empty.
model::GuestSeed opened(const model::GuestSeed& sealed, ports::Sealing& sealing);

// The files of the medium; none for a guest without a seed. The instance id is the guest's own, so
// that another start does not run it all again. `secret` is opened.
std::vector<ports::SeedFile> render_seed(const model::Guest& guest, const model::GuestSeed& secret);

// Throws bad_ssh_key unless the text is one line of an OpenSSH public key file.
void check_ssh_key(std::string_view key, const std::string& field);

}  // namespace ruche::core
