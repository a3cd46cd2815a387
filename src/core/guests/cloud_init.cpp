#include "core/guests/cloud_init.hpp"

#include <crypt.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/base64.hpp"
#include "base/json.hpp"
#include "core/guests/user_data.hpp"

namespace ruche::core {

namespace {

constexpr std::string_view kSmall = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kDigits = "0123456789";
constexpr const char* kBoundary = "==ruche-vendor-data==";

bool made_of(std::string_view text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string_view::npos;
}

[[noreturn]] void refuse(const std::string& field, const std::string& what) {
  throw Error(Reason::bad_format, what).at(field);
}

void check_user(const std::string& user) {
  const bool fine = !user.empty() && user.size() <= 32 &&
                    !made_of(user.substr(0, 1), "0123456789-") &&
                    made_of(user, fmt::format("{}{}_-", kSmall, kDigits));
  if (!fine) refuse("/user", "a user's name is [a-z_][a-z0-9_-]*, at most 32 letters");
}

void check_host_name(const std::string& name) {
  std::size_t begin = 0;
  while (true) {
    const auto end = std::min(name.find('.', begin), name.size());
    const auto label = name.substr(begin, end - begin);
    const bool fine = !label.empty() && label.size() <= 63 && label.front() != '-' &&
                      label.back() != '-' && made_of(label, fmt::format("{}{}-", kSmall, kDigits));
    if (!fine) refuse("/host_name", "a host name is labels of a-z, 0-9 and -, joined by dots");
    if (end == name.size()) return;
    begin = end + 1;
  }
}

void check_package(const std::string& package, std::size_t index) {
  const bool fine = !package.empty() && package.size() <= 128 && package.front() != '-' &&
                    std::ranges::all_of(package, [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || std::string_view("+-.:=~_").contains(c);
                    });
  if (!fine) refuse(fmt::format("/packages/{}", index), "that is no name of a package");
}

std::string hash_password(const std::string& password, Random& random) {
  static constexpr std::string_view kLetters =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string salt = "$6$";
  for (int i = 0; i < 16; ++i) salt += kLetters[random.below(kLetters.size())];
  const auto work = std::make_unique<crypt_data>();
  const char* hash = ::crypt_r(password.c_str(), salt.c_str(), work.get());
  if (hash == nullptr || !std::string_view(hash).starts_with("$6$")) {
    throw Error(Reason::internal_error, "the password could not be hashed");
  }
  return hash;
}

void check_password(const std::string& password) {
  const bool fine = std::ranges::none_of(password, [](char c) { return c == '\n' || c == '\0'; });
  if (!fine) refuse("/password", "a password is one line");
}

std::string list_of(const std::vector<std::string>& texts) {
  std::string list;
  for (const auto& text : texts) list += (list.empty() ? "" : ", ") + json::quote(text);
  return '[' + list + ']';
}

// JSON is YAML, and has fewer surprises.
std::string own_config(const model::CloudInit& init, const model::GuestSeed& secret) {
  std::string user = fmt::format(
      R"(  - name: {}
    shell: /bin/bash
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    lock_passwd: {}
)",
      json::quote(init.user), init.has_password ? "false" : "true");
  if (init.has_password) user += "    passwd: " + json::quote(secret.password_hash) + "\n";
  if (!init.ssh_keys.empty()) {
    user += "    ssh_authorized_keys: " + list_of(init.ssh_keys) + "\n";
  }
  std::string config = "#cloud-config\n";
  if (!init.user.empty()) config += "users:\n" + user;
  if (!init.packages.empty()) {
    config += "package_update: true\npackages: " + list_of(init.packages) + "\n";
  }
  return config;
}

std::string_view content_type(std::string_view data) {
  if (data.starts_with("#!")) return "text/x-shellscript";
  if (data.starts_with("#cloud-config-archive")) return "text/cloud-config-archive";
  if (data.starts_with("#cloud-boothook")) return "text/cloud-boothook";
  if (data.starts_with("#include")) return "text/x-include-url";
  if (data.starts_with("#part-handler")) return "text/part-handler";
  if (data.starts_with("##")) return "text/jinja2";
  return "text/cloud-config";
}

// Of a copy: the disk knows the id of its original. A boot hook, because nothing that the user
// gives takes its place; once for each instance.
constexpr const char* kNewMachineId = R"(Content-Type: text/cloud-boothook

#cloud-boothook
#!/bin/sh
command -v systemd-machine-id-setup >/dev/null || exit 0
exec cloud-init-per instance ruche-machine-id sh -c \
  'rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup'
)";

std::string message_of(const std::vector<std::string>& parts) {
  std::string text = fmt::format(
      "Content-Type: multipart/mixed; boundary=\"{}\"\nMIME-Version: 1.0\n\n", kBoundary);
  for (const auto& part : parts) text += fmt::format("--{}\n{}\n", kBoundary, part);
  return text + fmt::format("--{}--\n", kBoundary);
}

std::string vendor_data(const model::CloudInit& init, const model::GuestSeed& secret) {
  const auto own = own_config(init, secret);
  const auto& given = secret.vendor_data;
  // A message of the user's own leaves no room for ours.
  const bool message = !given.empty() && given.front() != '#';
  if (!init.copied && given.empty()) return own;
  if (!init.copied && message) return given;
  std::vector<std::string> parts;
  if (init.copied) parts.emplace_back(kNewMachineId);
  if (!message) parts.push_back("Content-Type: text/cloud-config\n\n" + own);
  if (message) parts.push_back(given);
  // Lists of both are kept, ours first; of everything else the user's wins.
  if (!message && !given.empty()) {
    parts.push_back(fmt::format(
        "Content-Type: {}\nMerge-Type: list(append)+dict(recurse_array,replace)+str()\n\n{}",
        content_type(given), given));
  }
  return message_of(parts);
}

std::string network_config(const model::VmSpec& spec) {
  std::string adapters;
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    adapters += fmt::format(R"({}{{"type": "physical", "name": "eth{}", "mac_address": {}, )"
                            R"("subnets": [{{"type": "dhcp"}}]}})",
                            i == 0 ? "" : ",\n  ", i, json::quote(spec.nics[i].mac));
  }
  if (adapters.empty()) return "{\"version\": 1, \"config\": \"disabled\"}\n";
  return "{\"version\": 1, \"config\": [\n  " + adapters + "]}\n";
}

}  // namespace

void check_ssh_key(std::string_view key, const std::string& field) {
  const auto wrong = [&](const char* why) {
    return Error(Reason::bad_ssh_key, why)
        .at(field)
        .remedy("give the content of a public key file, such as ~/.ssh/id_ed25519.pub");
  };
  if (key.size() > 16 * 1024) throw wrong("the key is too long");
  for (const char c : key) {
    if (static_cast<unsigned char>(c) < ' ') throw wrong("a public key is one line");
  }
  if (key.find("PRIVATE KEY") != key.npos)
    throw wrong("that is a private key: keep it to yourself");
  const auto type = key.substr(0, key.find(' '));
  const bool known = type.starts_with("ssh-") || type.starts_with("ecdsa-sha2-") ||
                     type.starts_with("sk-ssh-") || type.starts_with("sk-ecdsa-");
  if (!known || type.size() == key.size()) throw wrong("that is no public SSH key");
  const auto rest = key.substr(type.size() + 1);
  const auto bytes = parse_base64(rest.substr(0, rest.find(' ')));
  // The key's own bytes begin with its type (RFC 4253 section 6.6).
  const bool same = bytes && bytes->size() > type.size() + 4 &&
                    static_cast<unsigned char>((*bytes)[3]) == type.size() &&
                    std::string_view(*bytes).substr(4, type.size()) == type;
  if (!same) throw wrong("the key's type and its bytes do not agree; it was cut or changed");
}

std::optional<Seeding> plan_seed(const model::CreateVm& request, Random& random) {
  const std::string& password = request.password.reveal();
  const bool wants_user = !request.user.empty() || !request.ssh_keys.empty() || !password.empty();
  const bool wanted = wants_user || !request.host_name.empty() || !request.packages.empty() ||
                      !request.user_data.empty() || !request.vendor_data.empty();
  if (!wanted) return std::nullopt;
  Seeding seeding;
  auto& shown = seeding.shown;
  if (wants_user) shown.user = request.user.empty() ? kDefaultUser : request.user;
  if (wants_user) check_user(shown.user);
  shown.host_name = request.host_name.empty() ? request.name : request.host_name;
  check_host_name(shown.host_name);
  for (std::size_t i = 0; i < request.ssh_keys.size(); ++i) {
    check_ssh_key(request.ssh_keys[i], fmt::format("/ssh_keys/{}", i));
  }
  for (std::size_t i = 0; i < request.packages.size(); ++i) check_package(request.packages[i], i);
  for (const auto& [text, field] : {std::pair(&request.user_data, "/user_data"),
                                    std::pair(&request.vendor_data, "/vendor_data")}) {
    if (auto ok = check_user_data(*text, field); !ok) throw std::move(ok.error());
  }
  if (!request.vendor_data.empty() && request.vendor_data.front() != '#' &&
      (wants_user || !request.packages.empty())) {
    throw Error(Reason::bad_user_data, "a MIME message as vendor-data leaves no room for the rest")
        .at("/vendor_data")
        .remedy("give the message as user-data, or leave user, keys and packages out");
  }
  shown.ssh_keys = request.ssh_keys;
  shown.packages = request.packages;
  shown.has_password = !password.empty();
  shown.user_data_length = static_cast<std::uint32_t>(request.user_data.size());
  shown.vendor_data_length = static_cast<std::uint32_t>(request.vendor_data.size());
  check_password(password);
  if (!password.empty()) seeding.secret.password_hash = hash_password(password, random);
  seeding.secret.user_data = request.user_data;
  seeding.secret.vendor_data = request.vendor_data;
  return seeding;
}

namespace {

std::string seal_text(const std::string& plain, ports::Sealing& sealing) {
  return sealing.seal(Secret<std::string>(plain));
}
std::string open_text(const std::string& sealed, ports::Sealing& sealing) {
  const auto plain = sealing.open(sealed);
  return plain ? plain->reveal() : std::string();
}

}  // namespace

model::GuestSeed sealed(const model::GuestSeed& plain, ports::Sealing& sealing) {
  return {seal_text(plain.password_hash, sealing), seal_text(plain.user_data, sealing),
          seal_text(plain.vendor_data, sealing)};
}

model::GuestSeed opened(const model::GuestSeed& sealed, ports::Sealing& sealing) {
  return {open_text(sealed.password_hash, sealing), open_text(sealed.user_data, sealing),
          open_text(sealed.vendor_data, sealing)};
}

std::vector<ports::SeedFile> render_seed(const model::Guest& guest,
                                         const model::GuestSeed& secret) {
  if (!guest.spec.cloud_init) return {};
  const auto& init = *guest.spec.cloud_init;
  const auto user_data = secret.user_data.empty() ? "#cloud-config\n{}\n" : secret.user_data;
  return {
      {"meta-data", fmt::format("{{\"instance-id\": {}, \"local-hostname\": {}}}\n",
                                json::quote(to_text(guest.id)), json::quote(init.host_name))},
      {"user-data", user_data},
      {"vendor-data", vendor_data(init, secret)},
      {"network-config", network_config(guest.spec)},
  };
}

}  // namespace ruche::core
