// Secrets from people and scripts; never from the command line, which everybody can read.
#pragma once

#include <string>

#include "base/secret.hpp"

namespace ruche::cli {

// Asks on the terminal without showing what is typed. Throws bad_request when there is none.
Secret<std::string> secret_from_terminal(const std::string& prompt);
// The same twice, for one that is new.
Secret<std::string> new_secret_from_terminal(const std::string& name);
// The first line of standard input, without its end.
Secret<std::string> secret_from_standard_input();

}  // namespace ruche::cli
