// Linux kernel modules and the order in which they must be loaded.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ruche::drivers::mirror {

// The "depends=" of a module's .modinfo section (include/linux/module.h): names of modules that
// come before it, '-' as '_'.
std::vector<std::string> dependencies_of(std::string_view module_file);

// Gives a module's file by its name; nothing when there is none (built into the kernel).
using ModuleLookup = std::function<std::optional<std::string>(const std::string& name)>;

struct Module {
  std::string name;
  std::string content;
};
// The wanted modules with all that they depend on, each once, dependencies first. What is built in
// is left out.
std::vector<Module> load_order(const std::vector<std::string>& wanted, const ModuleLookup& lookup);

}  // namespace ruche::drivers::mirror
