// What is said of whole machines: their /proc and /sys as files, down to what `ruche host check`
// prints. The trees are those of real servers, cut down to what is read.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "drivers/linux/host_facts.hpp"
#include "golden.hpp"
#include "model/host_check.hpp"
#include "show_host.hpp"

namespace ruche {
namespace {

struct Machine {
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> links;
  std::string kvm, nftables, clock_synchronized;
  std::int64_t landlock = 0;
  bool is_root = false, nft_program = false, cgroup_writable = false, accelerated = false;
};
constexpr auto describe(Type<Machine>) {
  return structure<Machine>(
      "Machine", "A captured machine.", field<&Machine::files>("files", "Path → text."),
      field<&Machine::links>("links", "Path → target."), field<&Machine::kvm>("kvm", "Probe."),
      field<&Machine::nftables>("nftables", "Probe."),
      field<&Machine::clock_synchronized>("clock_synchronized", "Probe."),
      field<&Machine::landlock>("landlock", "Probe."),
      field<&Machine::is_root>("is_root", "Probe."),
      field<&Machine::nft_program>("nft_program", "Probe."),
      field<&Machine::cgroup_writable>("cgroup_writable", "Probe."),
      field<&Machine::accelerated>("accelerated", "What QEMU chose."));
}

class Unpacked {
 public:
  explicit Unpacked(const Machine& machine) {
    char name[] = "/tmp/ruche-machine-XXXXXX";
    root_ = ::mkdtemp(name);
    for (const auto& [path, text] : machine.files) std::ofstream(place(path)) << text;
    for (const auto& [path, target] : machine.links) {
      std::filesystem::create_symlink(target, place(path));
    }
  }
  ~Unpacked() { std::filesystem::remove_all(root_); }
  const std::string& root() const { return root_; }

 private:
  std::filesystem::path place(const std::string& path) const {
    std::filesystem::path whole = root_ + path;
    std::filesystem::create_directories(whole.parent_path());
    return whole;
  }
  std::string root_;
};

// What the engine says that it can, from the programs and the firmware that are there.
std::vector<std::string> features_of(const Machine& machine) {
  const std::pair<const char*, const char*> known[] = {
      {"/usr/share/OVMF/OVMF_CODE_4M.fd", "uefi"},
      {"/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "secure-boot"},
      {"/usr/bin/swtpm", "tpm"},
      {"/usr/libexec/virtiofsd", "shares"}};
  std::vector<std::string> features;
  for (const auto& [path, feature] : known) {
    if (machine.files.contains(path)) features.emplace_back(feature);
  }
  return features;
}

std::string checked(const std::string& input) {
  const auto machine = json::decode<Machine>(input);
  const Unpacked tree(machine);
  auto facts = drivers::linux::read_host_facts(drivers::linux::Tree(tree.root()),
                                               {.kvm = machine.kvm,
                                                .nftables = machine.nftables,
                                                .clock_synchronized = machine.clock_synchronized,
                                                .landlock = machine.landlock,
                                                .is_root = machine.is_root,
                                                .nft_program = machine.nft_program,
                                                .cgroup_writable = machine.cgroup_writable});
  facts.hypervisor.version = "10.0.2";
  facts.hypervisor.accelerator =
      machine.accelerated ? model::Accelerator::kvm : model::Accelerator::tcg;
  facts.hypervisor.features = features_of(machine);
  model::HostCheck check{.name = "host1"};
  check.findings = model::judge_host(facts);
  check.level = model::overall(check.findings);
  check.reduced = model::reduced_by(facts);
  return cli::check_text(check, {}) + "\n" + json::encode(facts, {.pretty = true}) + "\n";
}

TEST(HostCheckGolden, Machines) { golden::check_area("host_check", checked); }

}  // namespace
}  // namespace ruche
