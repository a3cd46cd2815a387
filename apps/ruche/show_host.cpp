#include "show_host.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::cli {

namespace {

constexpr std::size_t kLevel = 10;
constexpr std::size_t kName = 16;

std::string finding_text(const model::Finding& finding, const Look& look) {
  const auto level = enum_name(finding.level);
  auto text = fmt::format("{}{}{}{}\n", coloured_state(level, look),
                          std::string(kLevel - level.size(), ' '), padded(finding.name, kName),
                          finding.found);
  if (finding.level == model::CheckLevel::ok) return text;
  const std::string indent(kLevel + kName, ' ');
  text += fmt::format("{}why:  {}\n", indent, finding.why);
  text += fmt::format("{}next: {}\n", indent, finding.remedy);
  return text;
}

std::string verdict(const model::HostCheck& check) {
  const auto count = [&](model::CheckLevel level) {
    return std::ranges::count(check.findings, level, &model::Finding::level);
  };
  const auto degraded = count(model::CheckLevel::degraded);
  const auto missing = count(model::CheckLevel::missing);
  if (check.level == model::CheckLevel::missing) {
    return fmt::format("{} cannot run guests: something that they need is missing.", check.name);
  }
  if (degraded + missing == 0) return fmt::format("{} runs guests, with all there is.", check.name);
  return fmt::format("{} runs guests; {} degraded, {} missing.", check.name, degraded, missing);
}

// Titled lines; a title is printed once for all lines of its group.
class Sheet {
 public:
  void row(std::string_view title, std::string_view value) {
    if (value.empty()) return;
    text_ += fmt::format("  {}{}\n", padded(title == last_ ? "" : title, kTitle), value);
    last_ = title;
  }
  std::string& text() { return text_; }

 private:
  static constexpr std::size_t kTitle = 12;
  std::string text_, last_;
};

std::string joined_words(std::initializer_list<std::string_view> words, std::string_view between) {
  std::string out;
  for (const auto word : words) {
    if (word.empty()) continue;
    if (!out.empty()) out += between;
    out += word;
  }
  return out;
}

void add_machine(Sheet& sheet, const model::HostFacts& facts) {
  const auto& board = facts.board;
  auto machine = joined_words({board.vendor, board.product}, " ");
  if (!board.firmware.empty()) {
    machine += fmt::format(", firmware {} {}", board.firmware, board.firmware_date);
  }
  if (board.uefi) machine += ", UEFI";
  sheet.row("Machine", machine);
  const auto& cpu = facts.processor;
  sheet.row("Processor", fmt::format("{}, {} sockets, {} cores, {} threads, x86-64-v{}", cpu.model,
                                     cpu.sockets, cpu.cores, cpu.threads, cpu.level));
  sheet.row("Features", joined_words({cpu.virtualization, cpu.nested_paging,
                                      facts.kernel.iommu_groups > 0 ? "IOMMU" : "",
                                      facts.memory.ecc_controllers > 0 ? "ECC" : "",
                                      facts.kernel.nesting ? "nesting" : ""},
                                     ", "));
}

void add_memory(Sheet& sheet, const model::HostFacts& facts) {
  const auto& memory = facts.memory;
  sheet.row("Memory", fmt::format("{}: {} used, {} available", to_text(memory.total),
                                  to_text(Bytes{memory.total.count - memory.available.count}),
                                  to_text(memory.available)));
  for (const auto& node : memory.numa) {
    sheet.row("NUMA", fmt::format("node {}: threads {}, {}, {} free", node.id, node.cpus,
                                  to_text(node.memory), to_text(node.memory_free)));
  }
  for (const auto& pool : memory.huge_pages) {
    if (pool.total == 0) continue;
    sheet.row("Huge pages",
              fmt::format("{} × {}, {} free", pool.total, to_text(pool.size), pool.free));
  }
}

void add_devices(Sheet& sheet, const model::HostFacts& facts) {
  for (const auto& disk : facts.disks) {
    sheet.row("Disks", joined_words({disk.name, to_text(disk.size), disk.model,
                                     disk.rotational ? "rotating" : ""},
                                    "  "));
  }
  for (const auto& nic : facts.nics) {
    const auto speed = nic.speed_mbit > 0 ? fmt::format("{} Mbit/s", nic.speed_mbit) : "";
    sheet.row("Adapters",
              joined_words({nic.name, nic.mac, nic.up ? "up" : "down", speed, nic.driver}, "  "));
  }
  for (const auto& device : facts.pci) {
    const auto group =
        device.iommu_group ? fmt::format("IOMMU group {}", *device.iommu_group) : std::string();
    const auto id = device.vendor + ":" + device.device;
    sheet.row("PCI",
              joined_words({device.address, device.device_class, id, device.driver, group}, "  "));
  }
}

void add_usb(Sheet& sheet, const model::HostFacts& facts) {
  for (const auto& device : facts.usb) {
    if (device.hub) continue;
    const auto id = device.vendor_id + ":" + device.product_id;
    sheet.row("USB", joined_words({id, device.manufacturer, device.product, device.serial}, "  "));
  }
}

void add_promises(Sheet& sheet, const model::HostView& host) {
  const auto& ledger = host.ledger;
  const auto load = host.facts ? host.facts->load : "";
  sheet.row("Load",
            load.empty() ? "" : fmt::format("{} of {} threads busy", load, host.status.threads));
  sheet.row("Reserved",
            fmt::format("{} of {} memory, {} of {} virtual CPUs", to_text(ledger.memory_reserved),
                        to_text(ledger.memory_total), ledger.cpus_reserved, ledger.cpus_total));
  sheet.row("Guests", fmt::format("{}, {} running", host.guests, host.running));
}

}  // namespace

std::string host_text(const model::HostView& host,
                      const std::vector<model::DatastoreView>& datastores) {
  Sheet sheet;
  sheet.text() = fmt::format("{}{}\n", host.name, host.is_self ? ", the one that answers" : "");
  sheet.row("Id", to_text(host.id));
  if (host.https) {
    sheet.row("HTTPS", fmt::format("{}  {}", host.https->url, host.https->fingerprint));
  }
  if (host.facts) {
    add_machine(sheet, *host.facts);
    add_memory(sheet, *host.facts);
  } else {
    sheet.row("Processor", fmt::format("{}, {} threads, x86-64-v{}", host.status.cpu_model,
                                       host.status.threads, host.status.cpu_level));
    sheet.row("Memory", to_text(host.status.memory));
  }
  add_promises(sheet, host);
  for (const auto& datastore : datastores) {
    if (!datastore.shared && datastore.host != host.name) continue;
    sheet.row("Datastores", fmt::format("{}  {} free of {}  {}", datastore.name,
                                        to_text(datastore.status.available),
                                        to_text(datastore.status.capacity), datastore.path));
  }
  if (host.facts) {
    add_devices(sheet, *host.facts);
    add_usb(sheet, *host.facts);
  }
  sheet.row("Kernel", fmt::format("{}, cgroup {}", host.status.kernel, host.status.cgroup_version));
  sheet.row("QEMU",
            fmt::format("{}, guests run by {}: {}", host.status.qemu_version,
                        enum_name(host.status.accelerator), host.status.accelerator_reason));
  sheet.row("Ruche", joined_words({host.status.version,
                                   fmt::format("{}", fmt::join(host.status.features, ", "))},
                                  ", with "));
  for (const auto& reduced : host.reduced) sheet.row("Reduced", reduced.what);
  return sheet.text();
}

std::string check_text(const model::HostCheck& check, const Look& look) {
  std::string text;
  for (const auto& finding : check.findings) text += finding_text(finding, look);
  if (!check.reduced.empty()) text += "\nReduced here:\n";
  for (const auto& reduced : check.reduced) {
    text += fmt::format("  {}\n    to lift it: {}\n", reduced.what, reduced.remedy);
  }
  text += fmt::format("\n{}\n", verdict(check));
  return text;
}

}  // namespace ruche::cli
