// Hardware virtualization or binary translation. A /dev/kvm that opens is not enough: some hosts
// offer one without vmx or svm, on which ordinary guests hang.
#pragma once

#include <string>

#include "model/host.hpp"

namespace ruche::drivers::qemu {

struct AcceleratorFacts {
  bool kvm_opens = false;
  std::string kvm_error;  // why it does not
  bool has_vmx_or_svm = false;
};
AcceleratorFacts read_accelerator_facts(const std::string& kvm_device,
                                        const std::string& cpuinfo_path);
// The `flags` line of /proc/cpuinfo names vmx (Intel) or svm (AMD).
bool shows_virtualization(const std::string& cpuinfo);

struct AcceleratorChoice {
  model::Accelerator accelerator = model::Accelerator::tcg;
  std::string reason;
};
AcceleratorChoice choose_accelerator(const AcceleratorFacts& facts);

}  // namespace ruche::drivers::qemu
