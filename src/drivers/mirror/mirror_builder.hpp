// Builds guests from the machine's own package mirror. The recipe `demo`: Debian's kernel for
// clouds and busybox in an initramfs, with a blank disk. The recipe `debian`: a whole Debian for
// clouds on a disk of its own (debian_build.hpp).
#pragma once

#include <memory>
#include <string>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "ports/processes.hpp"
#include "ports/volumes.hpp"

namespace ruche::drivers::mirror {

struct MirrorOptions {
  // apt and dpkg run as this user; 0: the daemon's own (when it is not root).
  std::uint32_t helper_user = 0;
  std::uint32_t helper_group = 0;
  // The owners of the files of a Debian tree while it is made; count 0: not root, no such recipe.
  ports::IdRange tree_ids;
};

// Downloads and finished builds stay in `cache` beside the directory that a build is given, so that
// the next build of the same versions only copies two files. One build at a time.
class MirrorBuilder : public ports::ImageBuilder {
 public:
  // The processes and the clock outlive the builder.
  MirrorBuilder(ports::Processes& processes, Clock& clock, MirrorOptions options);
  ~MirrorBuilder() override;
  std::vector<ports::ImageRecipe> recipes() const override;
  Async<ports::BuiltImage> build(std::string recipe, std::string directory,
                                 std::function<void(std::string)> say) override;
  Async<void> clean(std::string directory) override;

 private:
  struct Build;
  ports::Processes& processes_;
  Clock& clock_;
  MirrorOptions options_;
  Lane lane_;
  bool busy_ = false;
};

}  // namespace ruche::drivers::mirror
