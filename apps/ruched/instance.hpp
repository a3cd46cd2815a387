// The identity of an instance: its data directory, held by one daemon at a time, and the names that
// keep instances on one machine apart.
#pragma once

#include <string>

#include "base/random.hpp"
#include "model/ids.hpp"

namespace ruche::apps {

class Instance {
 public:
  // Creates the directory (0700) and the identity file when they are missing and takes the lock.
  // Throws already_listening when another daemon holds it, io_failed.
  Instance(const std::string& data_dir, Timestamp now, Random& random);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  model::HostId host() const { return host_; }
  // Eight hexadecimal digits: names control groups.
  const std::string& label() const { return label_; }
  std::string path(const std::string& name) const { return data_dir_ + "/" + name; }

 private:
  std::string data_dir_;
  int lock_ = -1;
  model::HostId host_;
  std::string label_;
};

// Replaces a file durably: temporary file, fsync, rename, fsync of the directory. Mode 0600.
void replace_file(const std::string& path, const std::string& content);

}  // namespace ruche::apps
