#include "drivers/qemu/accelerator.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/descriptor.hpp"

namespace ruche::drivers::qemu {

bool shows_virtualization(const std::string& cpuinfo) {
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word == "vmx" || word == "svm") return true;
    }
    return false;
  }
  return false;
}

AcceleratorFacts read_accelerator_facts(const std::string& kvm_device,
                                        const std::string& cpuinfo_path) {
  AcceleratorFacts facts;
  const Descriptor kvm(::open(kvm_device.c_str(), O_RDWR | O_CLOEXEC));
  facts.kvm_opens = kvm.open();
  if (!kvm.open()) facts.kvm_error = std::strerror(errno);
  std::ifstream file(cpuinfo_path);
  facts.has_vmx_or_svm = shows_virtualization(
      std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  return facts;
}

AcceleratorChoice choose_accelerator(const AcceleratorFacts& facts) {
  using model::Accelerator;
  if (facts.kvm_opens && facts.has_vmx_or_svm) {
    return {Accelerator::kvm, "/dev/kvm works and the processor offers virtualization"};
  }
  if (facts.kvm_opens) {
    return {Accelerator::tcg,
            "/dev/kvm opens, but the processor shows neither vmx nor svm: guests would hang"};
  }
  if (facts.has_vmx_or_svm) {
    return {Accelerator::tcg,
            "the processor offers virtualization, but /dev/kvm: " + facts.kvm_error};
  }
  return {Accelerator::tcg, "the processor shows neither vmx nor svm"};
}

}  // namespace ruche::drivers::qemu
