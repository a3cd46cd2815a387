#include "cluster_simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "hardware_requests.hpp"
#include "pool_requests.hpp"
#include "snapshot_requests.hpp"

namespace ruche::sim {

namespace {

constexpr int kActions = 50;
constexpr std::size_t kMostFindings = 20;
constexpr Duration kQuietTime{100'000};
constexpr std::string_view kWitness = "witness-";

std::chrono::microseconds ms(std::uint64_t count) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(count));
}

// What is never quite absent: a store, disks and monitors that take their time.
SimHost::Faults everyday() {
  SimHost::Faults faults;
  faults.store.min_latency = std::chrono::microseconds(200);
  faults.store.max_latency = ms(4);
  faults.volumes.min_latency = ms(1);
  faults.volumes.max_latency = ms(20);
  faults.machines.min_latency = ms(1);
  faults.machines.max_latency = ms(10);
  return faults;
}

}  // namespace

ClusterSimulation::ClusterSimulation(std::uint64_t seed)
    : seed_(seed), random_(seeded_random(seed * 2 + 1)), cluster_(seed) {
  cluster_.on_change = [this] {
    if (findings_.size() >= kMostFindings) return;
    for (auto& finding : always_.check(cluster_)) {
      say("WRONG: " + finding);
      findings_.push_back(std::move(finding));
    }
  };
  cluster_.on_effect = [this](const SimEffect& effect, EffectMoment moment) {
    if (verbose && moment == EffectMoment::before) say(effect.host + " does: " + effect.what);
  };
}

void ClusterSimulation::say(std::string what) {
  const auto now = cluster_.world().clock().now().since_start.count();
  cluster_.world().note(what);
  story_.push_back(fmt::format("{:>12.6f} {}", static_cast<double>(now) / 1e6, what));
}

const std::vector<std::string>& ClusterSimulation::run() {
  if (cluster_.hosts().empty()) prepare();
  for (int i = 0; i < kActions && findings_.empty(); ++i) {
    act();
    cluster_.run_for(ms(pick(one_in(5) ? 8'000 : 800)));
    mend_what_is_due();
  }
  mend_everything();
  say("everything is mended");
  try {
    wait_until_quiet(cluster_);
    cluster_.run_for(kQuietTime);
    wait_until_quiet(cluster_);
  } catch (const Error& error) {
    findings_.push_back(error.message());
  }
  for (auto& finding : check_at_rest(cluster_)) findings_.push_back(std::move(finding));
  for (auto& error : cluster_.errors()) findings_.push_back(std::move(error));
  check_answers();
  return findings_;
}

void ClusterSimulation::prepare() {
  cluster_.add_host("alpha");
  cluster_.add_host("beta");
  if (seed_ % 4 == 0) cluster_.add_host("gamma");
  for (const auto& host : cluster_.hosts()) host->set_faults(everyday());
  start_all(cluster_);
  auto& alpha = cluster_.host("alpha");
  add_shared_datastore(cluster_, alpha);
  import_demo(cluster_, alpha, "shared");
  for (const auto& host : cluster_.hosts()) {
    const std::string name = std::string(kWitness) + host->name();
    ask_and_wait(cluster_, *host, requests::create_demo(name, true));
    change_and_wait(cluster_, *host, create_pool(small_pool(*host)));
    witnesses_[host->name()] = host->machines().processes().begin()->second->pid;
  }
}

void ClusterSimulation::act() {
  if (one_in(3)) {
    break_something();
  } else {
    request_something();
  }
}

SimHost& ClusterSimulation::any_host() { return *cluster_.hosts()[pick(cluster_.hosts().size())]; }

// As the host knows them; a client may well be told what is not true any more.
std::vector<const core::GuestRecord*> ClusterSimulation::known_guests(SimHost& host) {
  std::vector<const core::GuestRecord*> guests;
  for (const auto& [id, record] : host.control().inventory().guests()) {
    const bool shown = record->complete() && !record->spec->value.name.starts_with(kWitness);
    if (shown) guests.push_back(record.get());
  }
  return guests;
}

std::shared_ptr<SimProcess> ClusterSimulation::any_process() {
  const auto& processes = any_host().machines().processes();
  if (processes.empty()) return nullptr;
  const auto found =
      std::next(processes.begin(), static_cast<std::ptrdiff_t>(pick(processes.size())));
  return found->second->spec.name.starts_with(kWitness) ? nullptr : found->second;
}

// --- requests ------------------------------------------------------------------------------------

void ClusterSimulation::ask_for(SimHost& host, Asked asked, Request request) {
  if (!host.is_running() || host.is_severed()) return;
  if (one_in(4)) {
    asked.key = fmt::format("key-{}", ++last_number_);
    request = requests::keyed(request, asked.key);
    keyed_[asked.key] = request;
  }
  say(fmt::format("ask {}: {}", host.name(), asked.what));
  asked.answer = ask(host, asked.what, std::move(request));
  asked_.push_back(std::move(asked));
}

// A client that got no answer asks again, with its key, whoever is there.
void ClusterSimulation::ask_again() {
  if (keyed_.empty()) return;
  const auto chosen = std::next(keyed_.begin(), static_cast<std::ptrdiff_t>(pick(keyed_.size())));
  auto& host = any_host();
  if (!host.is_running() || host.is_severed()) return;
  const auto before = std::ranges::find(asked_, chosen->first, &Asked::key);
  Asked asked = *before;
  say(fmt::format("ask {} again: {}", host.name(), asked.what));
  asked.answer = ask(host, asked.what, chosen->second);
  asked_.push_back(std::move(asked));
}

void ClusterSimulation::request_something() {
  auto& host = any_host();
  if (!host.is_running() || host.is_severed()) return;
  const auto guests = known_guests(host);
  if (guests.empty() || (guests.size() < 6 && one_in(4))) {
    const auto request = random_guest(host, [this](auto below) { return pick(below); });
    return ask_for(host, {"create " + request.name, {}, {}, {}, {}}, requests::create(request));
  }
  if (one_in(12)) return ask_again();
  if (one_in(12)) return ask_about_storage(host);
  if (one_in(20)) {
    say("change the pool of " + host.name());
    return change_some_pool(host, [this](auto below) { return pick(below); });
  }
  if (one_in(10)) return ask_about_many(host, guests);
  if (one_in(15)) {
    // Somebody loses patience with a task.
    for (const auto& [id, task] : host.control().inventory().tasks()) {
      if (!model::is_open(task->value.state) || !one_in(2)) continue;
      const auto text = to_text(id);
      say("cancel " + task->value.summary);
      auto cancel = [](core::HostControl& control, std::string task_id) -> Async<void> {
        try {
          co_await control.tasks().cancel({}, {task_id});
        } catch (const Error&) {
          // It has ended meanwhile, or the store is away.
        }
      };
      return host.spawn("cancel", cancel(host.control(), text));
    }
    return;
  }
  ask_about(host, *guests[pick(guests.size())]);
}

void ClusterSimulation::ask_about_storage(SimHost& host) {
  const auto image = fmt::format("image{}", pick(3));
  const auto store = fmt::format("store{}", pick(2));
  const auto ask_simply = [&](const std::string& what, Request request) {
    ask_for(host, {what, {}, {}, {}, {}}, std::move(request));
  };
  switch (pick(6)) {
    case 0:
      return ask_simply("import " + image, requests::import_image(image, "shared"));
    case 1:
      return ask_simply("build " + image,
                        requests::build_image(image, one_in(2) ? store : "shared"));
    case 2:
    case 3:
      return ask_simply("remove " + image, requests::remove_image(image));
    case 4:
      return ask_simply("add " + store, requests::create_datastore(store, "/srv/" + store, true));
    default:
      return ask_simply("remove " + store, requests::remove_datastore(store));
  }
}

void ClusterSimulation::ask_about_many(SimHost& host,
                                       const std::vector<const core::GuestRecord*>& guests) {
  constexpr std::array kOfMany = {model::BulkAction::start,   model::BulkAction::start,
                                  model::BulkAction::stop,    model::BulkAction::shutdown,
                                  model::BulkAction::delete_, model::BulkAction::undelete};
  model::BulkVms request;
  request.action = kOfMany[pick(kOfMany.size())];
  for (const auto* record : guests) request.vms.push_back(to_text(record->spec->value.id));
  request.force = request.action == model::BulkAction::stop && one_in(2);
  if (request.action == model::BulkAction::shutdown) request.timeout = Duration{10'000};
  const auto what = fmt::format("{} {} guests", enum_name(request.action), guests.size());
  ask_for(host, {what, {}, {}, {}, {}}, requests::bulk(request));
}

void ClusterSimulation::ask_about(SimHost& host, const core::GuestRecord& record) {
  const model::Guest guest = record.spec->value;
  const auto id = to_text(guest.id);
  const auto simple = [&](const std::string& verb, Request request) {
    ask_for(host, {verb + " " + guest.name, {}, guest.id, {}, {}}, std::move(request));
  };
  const auto choose = [this](auto below) { return pick(below); };
  const auto kind = pick(5);
  if (kind < 2) {
    const auto some =
        kind == 0 ? hardware_request(host, guest, choose) : snapshot_request(host, guest, choose);
    return ask_for(host, {some.what, {}, guest.id, {}, {}}, some.request);
  }
  // Mostly what makes sense in its state, sometimes anything.
  const auto state = record.status ? record.status->value.state : model::GuestState::provisioning;
  const auto any = pick(17);
  auto wish = any;
  if (!one_in(4)) {
    constexpr std::array<std::uint64_t, 8> kOff = {0, 1, 13, 8, 9, 10, 12, 13};
    constexpr std::array<std::uint64_t, 9> kOn = {3, 4, 5, 6, 8, 9, 13, 14, 15};
    constexpr std::array<std::uint64_t, 5> kPaused = {7, 7, 4, 3, 15};
    constexpr std::array<std::uint64_t, 6> kSuspended = {0, 7, 7, 8, 16, 10};
    constexpr std::array<std::uint64_t, 4> kDeleted = {11, 11, 11, 12};
    wish = guest.deleted_at                        ? kDeleted[any % kDeleted.size()]
           : state == model::GuestState::running   ? kOn[any % kOn.size()]
           : state == model::GuestState::paused    ? kPaused[any % kPaused.size()]
           : state == model::GuestState::suspended ? kSuspended[any % kSuspended.size()]
                                                   : kOff[any % kOff.size()];
  }
  const auto new_name = fmt::format("vm{}", pick(8));
  switch (wish) {
    case 0:
    case 1:
    case 2:
      return simple("start", requests::start(id));
    case 3:
      return simple("stop", requests::stop(id));
    case 4:
      return simple("force stop", requests::stop(id, true));
    case 5:
      return simple("shutdown", requests::shutdown(id, one_in(2)));
    case 6:
      return simple("pause", requests::pause(id));
    case 7:
      return simple("resume", requests::resume(id));
    case 8: {
      const auto text = fmt::format("text {}", ++last_number_);
      Asked asked{"describe " + guest.name + " as " + text, {}, guest.id, text, {}};
      return ask_for(host, std::move(asked), requests::describe(id, text));
    }
    case 9:
      return simple("rename to " + new_name, requests::rename(id, new_name));
    case 10:
      return simple("delete", requests::remove(id, false, one_in(2)));
    case 11:
      return simple("undelete", requests::undelete(id, one_in(2) ? new_name : ""));
    case 12:
      return simple("purge", requests::remove(id, true, one_in(2)));
    case 13:
      return simple("move", requests::move(id, any_host().name()));
    case 14:
      return simple("reset", requests::reset(id));
    case 15:
      return simple("suspend", requests::suspend(id));
    default:
      return simple("discard", requests::discard(id));
  }
}

// --- faults --------------------------------------------------------------------------------------

void ClusterSimulation::later(std::function<void()> mend, std::int64_t most_ms) {
  const auto delay = ms(pick(static_cast<std::uint64_t>(most_ms)));
  repairs_.push_back({cluster_.world().clock().now() + delay, std::move(mend)});
}

void ClusterSimulation::mend_what_is_due() {
  const auto now = cluster_.world().clock().now();
  auto all = std::exchange(repairs_, {});
  for (auto& repair : all) {
    if (repair.at <= now) {
      repair.mend();
    } else {
      repairs_.push_back(std::move(repair));
    }
  }
}

void ClusterSimulation::break_something() {
  auto& host = any_host();
  const auto what = pick(10);
  if (what < 3) return break_a_host(host);
  if (what < 5) return break_the_store(host);
  if (what < 6) return break_a_disk();
  break_a_guest();
}

void ClusterSimulation::break_a_host(SimHost& host) {
  auto* broken = &host;
  if (!host.is_running()) return;
  switch (pick(6)) {
    case 0:
    case 1:
      say("kill " + host.name());
      host.kill();
      return later(
          [this, broken] {
            say("start " + broken->name());
            broken->start();
          },
          20'000);
    case 2:
      if (!one_in(3)) return;
      say("reboot " + host.name());
      host.reboot();
      rebooted_.insert(host.name());
      return later(
          [this, broken] {
            say("start " + broken->name());
            broken->start();
          },
          30'000);
    case 3:
      say("partition " + host.name());
      host.partition();
      return later(
          [this, broken] {
            say("heal " + broken->name());
            broken->heal();
          },
          40'000);
    case 4:
      say("freeze " + host.name());
      host.freeze();
      return later(
          [this, broken] {
            say("thaw " + broken->name());
            broken->thaw();
          },
          60'000);
    default: {
      const auto by = std::chrono::hours(static_cast<std::int64_t>(pick(96)) - 48);
      say("the clock jumps on " + host.name());
      return host.jump_clock(by);
    }
  }
}

void ClusterSimulation::break_the_store(SimHost& host) {
  if (!host.is_running()) return;
  constexpr std::array kFaults = {CommitFault::unavailable, CommitFault::unknown_applied,
                                  CommitFault::unknown_lost, CommitFault::unknown_late,
                                  CommitFault::conflict};
  switch (pick(5)) {
    case 0:
      if (one_in(3)) {
        say("the store restarts");
        return cluster_.store().restart();
      }
      say("compact");
      return cluster_.store().compact();
    case 1:
      say("the watches of " + host.name() + " break");
      return host.store().break_watches();
    case 2: {
      say("a bad store for " + host.name());
      auto faults = everyday();
      faults.store.unavailable = faults.store.unknown_applied = faults.store.unknown_lost = 0.1;
      faults.store.unknown_late = faults.store.conflict = 0.1;
      faults.store.compacted = 0.05;
      faults.store.max_latency = ms(400);
      host.set_faults(faults);
      auto* broken = &host;
      return later([broken] { broken->set_faults(everyday()); }, 20'000);
    }
    default:
      say("a commit of " + host.name() + " goes wrong");
      return host.store().fail_next_commit(kFaults[pick(kFaults.size())]);
  }
}

void ClusterSimulation::break_a_disk() {
  const auto& places = cluster_.storage().places();
  const auto chosen = std::next(places.begin(), static_cast<std::ptrdiff_t>(pick(places.size())));
  // The storage outlives every repair.
  auto* place = const_cast<FakePlace*>(&chosen->second);
  switch (pick(4)) {
    case 0:
      say(chosen->first + " hangs");
      place->hangs = true;
      return later([place] { place->hangs = false; }, 30'000);
    case 1:
      say(chosen->first + " is away");
      place->mounted = false;
      return later([place] { place->mounted = true; }, 20'000);
    case 2:
      say(chosen->first + " is full");
      place->other_use = place->available();
      return later([place] { place->other_use = {}; }, 20'000);
    default: {
      auto& host = any_host();
      say("slow and failing disks on " + host.name());
      auto faults = everyday();
      faults.volumes.max_latency = ms(3'000);
      faults.volumes.fails = faults.volumes.unavailable = 0.1;
      host.set_faults(faults);
      auto* broken = &host;
      return later([broken] { broken->set_faults(everyday()); }, 20'000);
    }
  }
}

void ClusterSimulation::break_a_guest() {
  if (one_in(8)) {
    auto& host = any_host();
    say("launches and monitors fail on " + host.name());
    auto faults = everyday();
    faults.machines.launch_fails = 0.3;
    faults.machines.unanswered = 0.2;
    faults.machines.max_latency = ms(300);
    host.set_faults(faults);
    auto* broken = &host;
    return later([broken] { broken->set_faults(everyday()); }, 20'000);
  }
  const auto process = any_process();
  if (!process) return;
  const auto name = process->spec.name;
  for (const auto& host : cluster_.hosts()) {
    if (host->machines().find(process->guest) != process) continue;
    switch (pick(6)) {
      case 0:
      case 1:
        say(name + " crashes");
        return host->machines().crash(process->guest, "qemu: Segmentation fault");
      case 2:
      case 3:
        say(name + " powers itself off");
        return host->machines().power_off(process->guest);
      case 4:
        say(name + " hangs");
        process->hangs = true;
        return later([process] { process->hangs = false; }, 20'000);
      default:
        say(name + " lies, and ignores its power button");
        process->lies = process->ignores_shutdown = true;
        return later([process] { process->lies = process->ignores_shutdown = false; }, 20'000);
    }
  }
}

void ClusterSimulation::mend_everything() {
  for (auto& repair : std::exchange(repairs_, {})) repair.mend();
  for (const auto& host : cluster_.hosts()) {
    host->thaw();
    host->heal();
    host->set_faults(everyday());
    host->start();
  }
}

// --- what was acknowledged -----------------------------------------------------------------------

void ClusterSimulation::check_answers() {
  const auto truth = read_truth(cluster_.store());
  std::map<std::string, model::TaskId> by_key;
  for (const auto& asked : asked_) {
    if (!asked.answer->accepted) continue;
    check_task(truth, asked);
    if (asked.key.empty()) continue;
    const auto id = asked.answer->accepted->task.id;
    if (by_key.emplace(asked.key, id).first->second != id) {
      findings_.push_back("one idempotency key made two tasks: " + asked.what);
    }
  }
  check_descriptions(truth);
  check_epochs(truth);
  check_witnesses(truth);
}

std::map<std::string, std::uint64_t> ClusterSimulation::statistics() {
  std::map<std::string, std::uint64_t> result;
  for (const auto& [id, task] : read_truth(cluster_.store()).tasks) {
    std::string how = fmt::format("{} {}", task.method, enum_name(task.state));
    if (task.error) how += " " + task.error->reason;
    ++result[how];
  }
  for (const auto& asked : asked_) {
    if (asked.answer->refused)
      ++result["refused " + std::string(asked.answer->refused->reason_name())];
    if (!asked.answer->came()) ++result["no answer"];
  }
  return result;
}

void ClusterSimulation::check_task(const StoreTruth& truth, const Asked& asked) {
  const auto& accepted = asked.answer->accepted->task;
  const auto found = truth.tasks.find(accepted.id.value);
  if (found == truth.tasks.end()) {
    findings_.push_back("an acknowledged task is gone: " + asked.what);
    return;
  }
  const auto& task = found->second;
  if (task.state != model::TaskState::done || task.object.kind != model::ObjectKind::guest) return;
  const bool purges = std::ranges::any_of(task.plan, [](const model::Step& step) {
    return std::holds_alternative<model::ForgetGuest>(step);
  });
  const bool there = truth.guests.contains(task.object.id);
  if (purges && there) findings_.push_back("it was purged and is still there: " + asked.what);
  if (purges || there) return;
  // Gone: then somebody must have purged it.
  const bool purged = std::ranges::any_of(truth.tasks, [&](const auto& entry) {
    const auto& other = entry.second;
    return other.object.id == task.object.id && other.method == "vm.delete" &&
           other.state == model::TaskState::done;
  });
  if (!purged) findings_.push_back("it was done, and the guest is gone: " + asked.what);
}

// The last change that was acknowledged and done is what the document says; the changes of tasks
// that failed were taken out again.
void ClusterSimulation::check_descriptions(const StoreTruth& truth) {
  for (const auto& [id, guest] : truth.guests) {
    std::string expected;
    ports::Revision last;
    bool certain = true;
    for (const auto& asked : asked_) {
      if (asked.guest != guest.id || asked.description.empty()) continue;
      const auto& answer = *asked.answer;
      const bool unknown =
          !answer.came() || (answer.refused && answer.refused->code() == ErrorCode::unavailable);
      if (unknown || (answer.accepted && answer.accepted->replayed)) certain = false;
      if (!answer.accepted || answer.accepted->replayed) continue;
      const auto task = truth.tasks.find(answer.accepted->task.id.value);
      if (task == truth.tasks.end() || task->second.state != model::TaskState::done) continue;
      if (answer.accepted->revision < last) continue;
      last = answer.accepted->revision;
      expected = asked.description;
    }
    if (!certain || guest.description == expected) continue;
    findings_.push_back(fmt::format("{} is described as \"{}\", acknowledged was \"{}\"",
                                    guest.name, guest.description, expected));
  }
}

void ClusterSimulation::check_epochs(const StoreTruth& truth) {
  std::map<Uuid, std::uint64_t> moves;
  for (const auto& [id, task] : truth.tasks) {
    if (task.method == "vm.move" && task.state == model::TaskState::done) ++moves[task.object.id];
  }
  for (const auto& [id, guest] : truth.guests) {
    const auto placement = truth.placements.find(id);
    if (placement == truth.placements.end()) continue;
    if (placement->second.epoch == 1 + moves[id]) continue;
    findings_.push_back(fmt::format("{} has epoch {} after {} moves", guest.name,
                                    placement->second.epoch, moves[id]));
  }
}

// Whatever happened to the daemons, a guest that nobody touched runs on.
void ClusterSimulation::check_witnesses(const StoreTruth&) {
  for (const auto& host : cluster_.hosts()) {
    if (rebooted_.contains(host->name())) continue;
    const auto pid = witnesses_.at(host->name());
    const auto& processes = host->machines().processes();
    const bool runs = std::ranges::any_of(processes, [&](const auto& entry) {
      return entry.second->pid == pid && entry.second->state == ports::MachineState::running;
    });
    if (!runs) findings_.push_back("a guest that nobody touched does not run any more");
  }
}

}  // namespace ruche::sim
