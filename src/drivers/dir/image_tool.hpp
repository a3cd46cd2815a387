// qemu-img as a confined helper: it reads and writes what it is given, and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/impatient_lane.hpp"
#include "drivers/dir/files.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::dir {

struct HelperUser {
  std::uint32_t user = 0;  // 0: the daemon's own
  std::uint32_t group = 0;
};

struct ImageTool {
  Clock& clock;
  ports::Processes& processes;
  ImpatientLane& lane;
  Duration patience;  // for one blocking step
  std::string qemu_img;
  HelperUser helper;

  template <class F>
  auto on_lane(std::string what, F work) const -> Async<std::invoke_result_t<F>> {
    return lane.run(clock, patience, std::move(what), std::move(work));
  }
};

// The directory that qemu-img is run in; what it prints goes to two files in there.
class Workplace {
 public:
  static constexpr const char* kOutput = "output";
  static constexpr const char* kErrors = "errors";

  Workplace(Fd directory, std::string path)
      : directory_(std::move(directory)), path_(std::move(path)) {}
  int directory() const { return directory_.get(); }
  const std::string& path() const { return path_; }
  // The end of a file, at most `limit` of it.
  std::string read(const char* name, std::size_t limit) const;
  bool is_full() const;  // nothing more can be written to the datastore

 private:
  Fd directory_;
  std::string path_;
};

struct ImageWork {
  std::vector<std::string> argv;
  std::vector<std::string> read_paths;  // beside what every program needs
  std::vector<std::string> write_paths;
  std::vector<ports::PassedDescriptor> descriptors;
  Bytes largest_file;
  Bytes address_space = gib(4);
};

// Runs it to its end, or kills it with its caller; the tool must outlive this. Returns what it
// complained of, nothing when it did its work. Throws not_enough_space.
Async<std::string> run_qemu_img(const ImageTool& tool, ImageWork work,
                                std::shared_ptr<const Workplace> place,
                                std::function<void(double)> percent);

// The last percentage that `qemu-img -p` printed, 0 when there is none.
double last_percentage(std::string_view output);

// The file of a qcow2 disk is no larger: the data is at most the disk's size; tables add less than
// a thousandth, and a little.
Bytes largest_image(Bytes virtual_size);

}  // namespace ruche::drivers::dir
