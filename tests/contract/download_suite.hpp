// The contract of ports::Downloads, for the simulated one and the real one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "ports/downloads.hpp"

namespace ruche::contract {

class DownloadHarness {
 public:
  virtual ~DownloadHarness() = default;
  virtual ports::Downloads& downloads() = 0;
  virtual void run(Async<void> work) = 0;
  // What is under url() from now on; the connection breaks half-way so many times.
  virtual void serve(std::string content, int breaks) = 0;
  virtual void serve_nothing() = 0;
  virtual std::string url() = 0;
  virtual std::string path() = 0;
  virtual std::string content() = 0;  // of the file at path()
};
std::unique_ptr<DownloadHarness> make_download_harness();

}  // namespace ruche::contract
