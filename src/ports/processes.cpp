#include "ports/processes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "base/error.hpp"

namespace ruche::ports {

namespace {

constexpr std::size_t kOutputLimit = 1 << 20;
constexpr std::size_t kErrorLimit = 4096;

// A file that a helper writes and we read; gone with this object.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& directory) : path_(directory + "/helper-XXXXXX") {
    descriptor_ = ::mkostemp(path_.data(), O_CLOEXEC);
    if (descriptor_ < 0) {
      throw Error(Reason::io_failed,
                  fmt::format("cannot create a file in {}: {}", directory, std::strerror(errno)));
    }
  }
  ~ScratchFile() {
    ::close(descriptor_);
    ::unlink(path_.c_str());
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  const std::string& path() const { return path_; }
  std::string first(std::size_t limit) const { return read_from(0, limit); }
  std::string last(std::size_t limit) const {
    struct stat info{};
    if (::fstat(descriptor_, &info) != 0) return {};
    const auto size = static_cast<std::size_t>(info.st_size);
    return read_from(size > limit ? size - limit : 0, limit);
  }

 private:
  std::string read_from(std::size_t offset, std::size_t limit) const {
    std::string text(limit, '\0');
    std::size_t have = 0;
    while (have < limit) {
      const auto got =
          ::pread(descriptor_, text.data() + have, limit - have, static_cast<off_t>(offset + have));
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    text.resize(have);
    return text;
  }

  std::string path_;
  int descriptor_ = -1;
};

Async<void> wait_for_end(Process& process) { co_await process.wait(); }

}  // namespace

Async<HelperResult> run_helper(Processes& processes, SpawnRequest request,
                               std::string scratch_dir) {
  ScratchFile output(scratch_dir);
  ScratchFile errors(scratch_dir);
  request.stdout_path = output.path();
  request.stderr_path = errors.path();
  request.confinement.dies_with_daemon = true;
  auto process = co_await processes.spawn(std::move(request));

  ProcessExit end;
  std::exception_ptr failure;
  try {
    end = co_await process->wait();
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  if (failure) {
    process->signal(SIGKILL);
    co_await uninterrupted(wait_for_end(*process));
    std::rethrow_exception(failure);
  }
  HelperResult result;
  result.status = end.status;
  result.output = output.first(kOutputLimit);
  result.error_output = errors.last(kErrorLimit);
  co_return result;
}

}  // namespace ruche::ports
