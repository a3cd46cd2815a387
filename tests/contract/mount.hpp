// A mount that goes with the test. False where the test may not mount anything.
#pragma once

#include <sys/mount.h>

#include <filesystem>
#include <string>

namespace ruche::contract {

class Mount {
 public:
  Mount(const std::string& path, const char* type, const std::string& options) : path_(path) {
    std::filesystem::create_directories(path);
    mounted_ = ::mount(type, path.c_str(), type, 0, options.c_str()) == 0;
  }
  ~Mount() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  explicit operator bool() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_;
};

}  // namespace ruche::contract
