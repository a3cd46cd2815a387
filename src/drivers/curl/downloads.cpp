#include "drivers/curl/downloads.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/descriptor.hpp"
#include "drivers/curl/journal.hpp"

namespace ruche::drivers::curl {

namespace {

constexpr Duration kPatience{20'000};  // for one blocking step
constexpr auto kProgressPause = std::chrono::milliseconds(250);

Error os_error(const std::string& what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return Error(full ? Reason::not_enough_space : Reason::io_failed,
               fmt::format("{}: {}", what, std::strerror(error)));
}

std::uint64_t size_of(int file) {
  struct stat info{};
  if (::fstat(file, &info) != 0) throw os_error("cannot look at the download", errno);
  return static_cast<std::uint64_t>(info.st_size);
}

// The file and its journal, open: what a lane works on. Blocking.
class Files {
 public:
  Files(std::string path, FetchJournal wanted) : wanted_(std::move(wanted)) {
    data_ = open(path, O_RDWR);
    journal_ = open(path + ".download", O_RDWR | O_CREAT);
  }

  // Begins an attempt; the journal is what a former one left of this URL. A file that is whole
  // already has nothing to begin.
  FetchJournal begin() {
    auto journal = read();
    if (journal.url != wanted_.url) {
      if (::ftruncate(data_.get(), 0) != 0) throw os_error("cannot empty the download", errno);
      journal = {};
    }
    if (journal.end == FetchEnd::done) return journal;
    journal.url = wanted_.url;
    journal.limit = wanted_.limit;
    journal.patience = wanted_.patience;
    journal.end = FetchEnd::none;
    const auto text = journal_text(journal);
    if (::ftruncate(journal_.get(), 0) != 0 || ::pwrite(journal_.get(), text.data(), text.size(),
                                                        0) != static_cast<ssize_t>(text.size())) {
      throw os_error("cannot write the journal of the download", errno);
    }
    return journal;
  }

  FetchJournal read() const {
    std::string text(kLargestJournal, '\0');
    const auto have = ::pread(journal_.get(), text.data(), text.size(), 0);
    if (have < 0) throw os_error("cannot read the journal of the download", errno);
    text.resize(static_cast<std::size_t>(have));
    return read_journal(text);
  }
  std::uint64_t size() const { return size_of(data_.get()); }
  void keep() const {
    if (::fsync(data_.get()) != 0) throw os_error("cannot flush the download", errno);
  }
  int data() const { return data_.get(); }
  int journal() const { return journal_.get(); }

 private:
  static Descriptor open(const std::string& path, int flags) {
    Descriptor file(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!file.open()) throw os_error("cannot open " + path, errno);
    struct stat info{};
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
      throw Error(Reason::io_failed, path + " is not a regular file");
    }
    return file;
  }

  FetchJournal wanted_;
  Descriptor data_;
  Descriptor journal_;
};

std::vector<std::string> existing(std::vector<std::string> paths) {
  std::erase_if(paths, [](const std::string& path) { return ::access(path.c_str(), F_OK) != 0; });
  return paths;
}

// The site's proxy is the way out; nothing else of our environment is anybody's business.
std::vector<std::string> environment() {
  std::vector<std::string> all{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"}) {
    if (const char* value = ::getenv(name)) all.push_back(fmt::format("{}={}", name, value));
  }
  return all;
}

class Download {
 public:
  Download(Clock& clock, ports::Processes& processes, ImpatientLane& lane,
           const CurlOptions& options, ports::ProgressSink progress)
      : clock_(clock),
        processes_(processes),
        lane_(lane),
        options_(options),
        progress_(std::move(progress)) {}

  Async<void> run(ports::DownloadRequest request) {
    FetchJournal wanted;
    wanted.url = request.url;
    wanted.limit = static_cast<std::uint64_t>(request.size_limit.count);
    wanted.patience =
        static_cast<std::uint32_t>(std::max<std::int64_t>(1, options_.standstill.count() / 1000));
    files_ = co_await on_lane("opening the download", [path = request.path, wanted] {
      return std::make_shared<Files>(path, wanted);
    });
    Duration pause = options_.first_pause;
    int fruitless = 0;
    bool gave_anything = false;
    std::uint64_t most = 0;
    while (true) {
      const auto files = files_;
      const auto before =
          co_await on_lane("opening the download", [files] { return files->begin(); });
      if (before.end == FetchEnd::done) co_return;
      co_await attempt(before);
      const auto after = co_await on_lane(
          "looking at the download", [files] { return std::pair{files->read(), files->size()}; });
      size_ = after.second;
      if (after.first.end == FetchEnd::done) break;
      throw_if_final(after.first);
      // More than ever before: a server that makes us begin anew each time brings nothing new.
      const bool news = size_ > most;
      most = std::max(most, size_);
      gave_anything = gave_anything || news;
      fruitless = news ? 0 : fruitless + 1;
      if (news) pause = options_.first_pause;
      if (fruitless >= (gave_anything ? options_.attempts : options_.first_attempts)) {
        throw Error(Reason::download_failed, words_of(after.first))
            .at("/url")
            .remedy("Look at the server and the network, then import it again.");
      }
      co_await sleep_for(clock_, pause);
      pause = std::min(pause * 2, options_.longest_pause);
    }
    const auto files = files_;
    co_await on_lane("keeping the download", [files] { files->keep(); });
  }

 private:
  template <class F>
  auto on_lane(std::string what, F work) -> Async<std::invoke_result_t<F>> {
    return lane_.run(clock_, kPatience, std::move(what), std::move(work));
  }

  static std::string words_of(const FetchJournal& journal) {
    return journal.words.empty() ? "the download broke off" : journal.words;
  }

  static void throw_if_final(const FetchJournal& journal) {
    switch (journal.end) {
      case FetchEnd::refused:
        throw Error(Reason::download_refused, words_of(journal))
            .at("/url")
            .remedy("Check the URL, for example with curl --head.");
      case FetchEnd::too_large:
        throw Error(Reason::body_too_large, words_of(journal))
            .at("/url")
            .remedy(
                "Raise image_size_limit_bytes (ruche setting set), if it really is that large.");
      case FetchEnd::full:
        throw Error(Reason::not_enough_space, "the datastore became full during the download")
            .remedy("Free space on the datastore, or use another one.");
      default:
        return;
    }
  }

  ports::SpawnRequest spawn_request(const FetchJournal& journal) const {
    ports::SpawnRequest request;
    request.name = "fetch";
    request.argv = {options_.program};
    request.environment = environment();
    request.descriptors = {{files_->data(), kDataDescriptor},
                           {files_->journal(), kJournalDescriptor}};
    auto& confinement = request.confinement;
    confinement.user = options_.user;
    confinement.group = options_.group;
    confinement.read_paths =
        existing({"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf",
                  "/etc/gai.conf", "/etc/ssl", "/usr/share/ca-certificates", "/etc/ld.so.cache",
                  "/run/systemd/resolve", "/proc", "/dev"});
    confinement.execute_paths = existing({"/usr/lib", "/lib", "/lib64"});
    confinement.execute_paths.push_back(options_.program);
    // Its own limit ends it earlier and says so.
    confinement.file_size_max = Bytes{static_cast<std::int64_t>(journal.limit)} + mib(1);
    confinement.cpu_seconds_max = 6 * 3600;
    confinement.dies_with_daemon = true;
    return request;
  }

  Async<void> attempt(const FetchJournal& journal) {
    auto request = spawn_request(journal);
    const auto process = co_await processes_.spawn(std::move(request));
    std::exception_ptr failure;
    const auto executor = co_await current_executor();
    Scope watching(executor, "download");
    watching.spawn("progress", watch());
    try {
      co_await process->wait();
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    watching.cancel(CancelReason::user);
    co_await uninterrupted(finish(watching, *process, failure != nullptr));
    if (failure) std::rethrow_exception(failure);
  }

  // Nobody may still write when the file goes.
  static Async<void> finish(Scope& watching, ports::Process& process, bool kill) {
    if (kill) {
      process.signal(SIGKILL);
      co_await process.wait();
    }
    co_await drain(watching);
  }

  Async<void> watch() {
    const auto files = files_;
    while (true) {
      co_await sleep_for(clock_, kProgressPause);
      const auto now = co_await on_lane(
          "looking at the download", [files] { return std::pair{files->read(), files->size()}; });
      if (!progress_) continue;
      progress_(Bytes{static_cast<std::int64_t>(now.second)},
                Bytes{static_cast<std::int64_t>(now.first.size.value_or(0))});
    }
  }

  Clock& clock_;
  ports::Processes& processes_;
  ImpatientLane& lane_;
  const CurlOptions& options_;
  ports::ProgressSink progress_;
  std::shared_ptr<Files> files_;
  std::uint64_t size_ = 0;
};

}  // namespace

CurlDownloads::CurlDownloads(Clock& clock, ports::Processes& processes, CurlOptions options)
    : clock_(clock), processes_(processes), options_(std::move(options)), lane_("downloads") {}

Async<void> CurlDownloads::fetch(ports::DownloadRequest request, ports::ProgressSink progress) {
  ports::check_url(request.url);
  Download download(clock_, processes_, lane_, options_, std::move(progress));
  co_await download.run(std::move(request));
}

}  // namespace ruche::drivers::curl
