// Manual pages and completion scripts, from the tree of commands.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command_line.hpp"

namespace ruche::cli {

// shell: bash, zsh or fish.
std::string completion_script(std::string_view shell, const std::vector<CommandDoc>& commands);

// File name → roff text: ruche.1, ruche-vm.1, …
std::vector<std::pair<std::string, std::string>> manual_pages(
    const std::vector<CommandDoc>& commands);

// Writes man/man1/*.1 and the scripts below share/ of the directory. Throws io_failed.
void write_docs(const std::string& directory, const std::vector<CommandDoc>& commands);

}  // namespace ruche::cli
