// One seed of the random simulation: two or three hosts on one store, clients that ask for
// everything, and a world in which everything fails. At the end all faults heal, and what was
// acknowledged must be there.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim_client.hpp"

namespace ruche::sim {

class ClusterSimulation {
 public:
  explicit ClusterSimulation(std::uint64_t seed);

  // Everything that was wrong.
  const std::vector<std::string>& run();
  // Part of run(): the hosts, an image, and a guest on each that nobody touches.
  void prepare();
  const std::vector<std::string>& story() const { return story_; }
  // How many tasks of each method ended how.
  std::map<std::string, std::uint64_t> statistics();
  std::uint64_t trace_hash() { return cluster_.world().trace_hash(); }

  // For the tests of the checkers, which break a rule of the world.
  SimCluster& cluster() { return cluster_; }

  // Tells the story as it happens, every effect too.
  bool verbose = false;

 private:
  struct Asked {
    std::string what;
    std::string key;
    model::GuestId guest;      // nil: by name
    std::string description;   // of an edit
    std::shared_ptr<Answer> answer;
  };
  struct Repair {
    Instant at;
    std::function<void()> mend;
  };

  void say(std::string what);
  void act();
  void request_something();
  void break_something();
  void break_a_host(SimHost& host);
  void break_the_store(SimHost& host);
  void break_a_disk();
  void break_a_guest();
  void later(std::function<void()> mend, std::int64_t most_ms);
  void mend_what_is_due();
  void mend_everything();
  void ask_for(SimHost& host, Asked asked, Request request);
  void ask_again();
  void ask_about_storage(SimHost& host);
  void ask_about_many(SimHost& host, const std::vector<const core::GuestRecord*>& guests);
  void ask_about(SimHost& host, const core::GuestRecord& record);

  void check_answers();
  void check_task(const StoreTruth& truth, const Asked& asked);
  void check_descriptions(const StoreTruth& truth);
  void check_epochs(const StoreTruth& truth);
  void check_witnesses(const StoreTruth& truth);

  std::uint64_t pick(std::uint64_t bound) { return random_->below(bound); }
  bool one_in(std::uint64_t bound) { return random_->below(bound) == 0; }
  SimHost& any_host();
  std::vector<const core::GuestRecord*> known_guests(SimHost& host);
  std::shared_ptr<SimProcess> any_process();

  std::uint64_t seed_;
  std::unique_ptr<Random> random_;
  SimCluster cluster_;
  AlwaysChecker always_;
  std::vector<std::string> findings_;
  std::vector<std::string> story_;
  std::vector<Asked> asked_;
  std::map<std::string, Request> keyed_;
  std::vector<Repair> repairs_;
  std::map<std::string, std::int32_t> witnesses_;  // host → pid of a guest that nobody touches
  std::set<std::string> rebooted_;
  std::uint64_t last_number_ = 0;
};

}  // namespace ruche::sim
