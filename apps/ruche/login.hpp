// `ruche login`, `ruche logout` and `ruche context`.
#pragma once

#include <string>

#include "contexts.hpp"
#include "output.hpp"
#include "session.hpp"

namespace ruche::cli {

struct LoginParts {
  Clock& clock;
  Random& random;
  const Terminal& terminal;
  std::string contexts_file;
};

// Asks what it must know, begins a session and keeps it as the context in use.
Async<void> log_in(LoginParts parts, LoginCommand command);
// Ends the session at the server and forgets its token. A server that does not answer is said.
Async<void> log_out(LoginParts parts, client::ApiClient& client, Endpoint endpoint);

// What a context command prints; `in_use` is for those that only look. Throws no_such_object.
struct ContextPrinting {
  Look look;
  bool as_json = false;
};
std::string manage_contexts(const std::string& contexts_file, const ContextCommand& command,
                            const Endpoint& in_use, const ContextPrinting& printing);

}  // namespace ruche::cli
