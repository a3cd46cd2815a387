#include "core/guests/cloud_init.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "core/guests/user_data.hpp"

namespace ruche::core {
namespace {

using testing::HasSubstr;

std::string refusal_of(const std::string& text) {
  const auto checked = check_user_data(text, "/user_data");
  if (checked) return "";
  EXPECT_EQ(checked.error().field(), "/user_data");
  EXPECT_EQ(checked.error().reason(), Reason::bad_user_data);
  return checked.error().message();
}

TEST(UserData, takes_what_cloud_init_takes) {
  for (const std::string text :
       {"", "#cloud-config\n", "#cloud-config\npackages: [a, [b, '1.0']]\nruncmd:\n - ls\n",
        "#cloud-config\nunknown_module: {a: 1}\nssh_pwauth: yes\nusers:\n - default\n - name: a\n",
        "#!/bin/sh\necho\n", "#include\nhttps://example.org/a\n\n# why\n",
        "#cloud-config-archive\n- type: text/cloud-config\n", "#cloud-boothook\n#!/bin/sh\n",
        "## template: jinja\n#cloud-config\nhostname: {{ v1.region }}\n",
        "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n--b\n"
        "Content-Type: text/cloud-config\n\npackages: [a]\n--b--\n"}) {
    EXPECT_EQ(refusal_of(text), "") << text;
  }
}

TEST(UserData, names_the_line_and_the_path_of_what_is_wrong) {
  EXPECT_THAT(refusal_of("packages: [a]\n"), HasSubstr("line 1: cloud-init would ignore it"));
  EXPECT_THAT(refusal_of("#cloud-config\n- a\n"), HasSubstr("line 2: the top level"));
  EXPECT_THAT(refusal_of("#cloud-config\na: 1\npackages:\n  nginx: yes\n"),
              HasSubstr("line 4: packages must be a list"));
  EXPECT_THAT(refusal_of("#cloud-config\nruncmd:\n - ls\n - {a: 1}\n"),
              HasSubstr("line 4: runcmd[1] must be a list or text"));
  EXPECT_THAT(refusal_of("#cloud-config\npackage_update: \"true\"\n"),
              HasSubstr("line 2: package_update must be true or false"));
  EXPECT_THAT(refusal_of("#cloud-config\nwrite_files:\n - content: a\n"),
              HasSubstr("line 3: write_files[0] has no path"));
  EXPECT_THAT(refusal_of("#cloud-config\nusers:\n - groups: a\n"),
              HasSubstr("line 3: users[0] has no name"));
  EXPECT_THAT(refusal_of("#cloud-config\na: [1\nb: 2\n"), HasSubstr("not YAML"));
  EXPECT_THAT(refusal_of("#include\nftp://example.org\n"), HasSubstr("line 2"));
  EXPECT_THAT(refusal_of("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
                         "Content-Type: text/cloud-config\n\npackages: a\n--b--\n"),
              HasSubstr("line 6: packages must be a list"));
  EXPECT_THAT(refusal_of("Content-Type: multipart/mixed; boundary=b\n\n--b\nA: b\n\nx\n"),
              HasSubstr("no closing boundary"));
  EXPECT_THAT(refusal_of("#cloud-config\n" + std::string(5000, '[')), HasSubstr("line"));
}

TEST(UserData, has_a_limit) {
  const auto checked = check_user_data(std::string(kLongestUserData + 1, '#'), "/user_data");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().reason(), Reason::too_long);
}

model::CreateVm request_for(const std::string& user) {
  model::CreateVm request;
  request.name = "web1";
  request.user = user;
  return request;
}

Reason refusal_of_plan(const model::CreateVm& request) {
  try {
    plan_seed(request, *seeded_random(1));
  } catch (const Error& error) {
    return error.reason();
  }
  return Reason::internal_error;
}

TEST(Seed, nothing_asked_is_no_seed) {
  EXPECT_FALSE(plan_seed(request_for(""), *seeded_random(1)));
}

TEST(Seed, a_password_is_kept_as_its_hash) {
  auto request = request_for("");
  request.password = Secret<std::string>("correct horse");
  const auto seeding = plan_seed(request, *seeded_random(1));
  ASSERT_TRUE(seeding);
  EXPECT_EQ(seeding->shown.user, kDefaultUser);
  EXPECT_TRUE(seeding->shown.has_password);
  EXPECT_THAT(seeding->secret.password_hash, testing::StartsWith("$6$"));
  EXPECT_EQ(seeding->secret.password_hash.find("horse"), std::string::npos);
}

TEST(Seed, what_makes_no_sense_is_refused) {
  EXPECT_EQ(refusal_of_plan(request_for("Root")), Reason::bad_format);
  EXPECT_EQ(refusal_of_plan(request_for("a b")), Reason::bad_format);
  auto request = request_for("a");
  request.host_name = "-a";
  EXPECT_EQ(refusal_of_plan(request), Reason::bad_format);
  request = request_for("a");
  request.packages = {"--allow-unauthenticated"};
  EXPECT_EQ(refusal_of_plan(request), Reason::bad_format);
  request = request_for("a");
  request.password = Secret<std::string>("a\nb");
  EXPECT_EQ(refusal_of_plan(request), Reason::bad_format);
  for (const auto* key : {"x", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAA\nssh-rsa AAAA",
                          "-----BEGIN OPENSSH PRIVATE KEY-----"}) {
    request = request_for("a");
    request.ssh_keys = {key};
    EXPECT_EQ(refusal_of_plan(request), Reason::bad_ssh_key) << key;
  }
}

std::string file_of(const model::Guest& guest, const std::string& name) {
  for (const auto& file : render_seed(guest, guest.seed.value_or(model::GuestSeed{}))) {
    if (file.name == name) return file.content;
  }
  return "";
}

model::Guest guest_of(const model::CreateVm& request) {
  auto seeding = plan_seed(request, *seeded_random(1));
  model::Guest guest;
  guest.name = request.name;
  guest.spec.nics.push_back({.name = "nic0", .mac = "52:54:00:00:00:01"});
  guest.spec.cloud_init = seeding->shown;
  guest.seed = seeding->secret;
  return guest;
}

// What a shell or YAML could take for more than text comes out as it went in.
TEST(Seed, is_yaml_that_says_what_was_asked_for) {
  auto request = request_for("admin");
  request.packages = {"nginx", "vim"};
  request.host_name = "db1.example.org";
  request.vendor_data = "#cloud-config\nruncmd: [date]\n";
  const auto guest = guest_of(request);
  const auto meta = YAML::Load(file_of(guest, "meta-data"));
  EXPECT_EQ(meta["instance-id"].as<std::string>(), to_text(guest.id));
  EXPECT_EQ(meta["local-hostname"].as<std::string>(), "db1.example.org");
  const auto network = YAML::Load(file_of(guest, "network-config"));
  EXPECT_EQ(network["config"][0]["mac_address"].as<std::string>(), "52:54:00:00:00:01");
  const auto vendor = file_of(guest, "vendor-data");
  EXPECT_TRUE(check_user_data(vendor, "/v")) << vendor;
  EXPECT_THAT(vendor, HasSubstr("runcmd: [date]"));
  request.vendor_data.clear();
  const auto own = YAML::Load(file_of(guest_of(request), "vendor-data"));
  EXPECT_EQ(own["users"][0]["name"].as<std::string>(), "admin");
  EXPECT_TRUE(own["users"][0]["lock_passwd"].as<bool>());
  EXPECT_EQ(own["packages"][1].as<std::string>(), "vim");
  EXPECT_TRUE(check_user_data(file_of(guest_of(request), "user-data"), "/u"));
}

// The instance is another, so that cloud-init makes host name and keys anew; the machine id is
// ours.
TEST(Seed, of_a_copy_makes_it_somebody_else) {
  auto request = request_for("admin");
  for (const std::string given :
       {"", "#cloud-config\nruncmd: [date]\n",
        "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/x-shellscript\n\n"
        "#!/bin/sh\n--b--\n"}) {
    auto guest = guest_of(request);
    guest.seed->vendor_data = given;
    EXPECT_THAT(file_of(guest, "vendor-data"), testing::Not(HasSubstr("machine-id")));
    guest.spec.cloud_init->copied = true;
    const auto vendor = file_of(guest, "vendor-data");
    EXPECT_TRUE(check_user_data(vendor, "/v")) << vendor;
    EXPECT_THAT(vendor, HasSubstr("cloud-init-per instance ruche-machine-id"));
    EXPECT_THAT(vendor, HasSubstr(given));
  }
}

}  // namespace
}  // namespace ruche::core
