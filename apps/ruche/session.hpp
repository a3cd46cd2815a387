// Carries out what the command line asked for.
#pragma once

#include <string>

#include "client/api_client.hpp"
#include "command_line.hpp"
#include "contexts.hpp"
#include "output.hpp"

namespace ruche::cli {

struct Terminal {
  bool input = false, output = false, errors = false;  // which of 0, 1, 2 is a terminal
};

// Onto standard output, at once.
void print(std::string_view text);

// What went wrong, for people: what, which flag, why, what to do. `method` may be null.
std::string error_text(const Error& error, const methods::Method* method);

class Session {
 public:
  struct Parts {
    Clock& clock;
    Random& random;
    Terminal terminal;
    GlobalOptions global;
    Endpoint endpoint;
    std::string contexts_file;
    bool colours = false;
  };
  explicit Session(Parts parts);

  // The exit code. Errors are thrown.
  Async<int> run(Command command);

  // The task that is being waited for; empty: none. For whoever interrupts.
  const std::string& waiting_for() const { return waiting_for_; }
  const methods::Method* method() const { return method_; }

 private:
  Async<int> run_method(MethodCommand command);
  Async<void> run_list(MethodCommand command);
  Async<void> run_value(MethodCommand command);
  Async<void> run_bytes(MethodCommand command);
  Async<void> print_host(const std::string& body);
  void print_check(const std::string& body) const;
  Async<void> run_task(MethodCommand command);
  Async<void> run_bulk(MethodCommand command);
  Async<void> ask_about_many(MethodCommand& command);
  Async<void> send_first(MethodCommand& command);
  Async<bool> pulled_the_plug(const model::TaskView& ended);
  Async<model::TaskView> see_through(model::TaskView task);
  Async<void> wait_for_state(const model::ObjectRef& object, std::string state);
  Async<void> run_follow(FollowCommand command);
  Async<void> run_tree(TreeCommand command);
  Async<void> run_api(ApiCommand command);
  Async<void> run_names(NamesCommand command);
  Async<void> run_version();
  Async<void> run_login(LoginCommand command);
  Async<void> run_logout();
  bool confirmed(const MethodCommand& command) const;
  bool can_ask() const { return parts_.terminal.input && parts_.terminal.errors; }
  bool agreed(const std::string& question) const;
  bool json() const { return parts_.global.output == Output::json; }
  Look look() const { return {parts_.colours && parts_.terminal.output, parts_.clock.wall()}; }

  Parts parts_;
  client::ApiClient client_;
  std::string waiting_for_;
  const methods::Method* method_ = nullptr;
};

}  // namespace ruche::cli
