// A watch over etcd's streaming answer. Resumes by itself, on the same member or another, from the
// revision after the last that it delivered or that etcd said was quiet.
#pragma once

#include <deque>

#include "drivers/etcd/gateway.hpp"
#include "drivers/etcd/keys.hpp"

namespace ruche::drivers::etcd {

class EtcdWatch : public ports::Watch {
 public:
  EtcdWatch(std::shared_ptr<Gateway> gateway, const Keys& keys, std::string prefix,
            ports::Revision from);
  Async<std::variant<ports::Batch, ports::Compacted>> next() override;

 private:
  Async<void> connect();
  // The next line of the stream, nothing when it broke off.
  Async<std::optional<std::string>> read_line();
  void take(std::string_view line);
  void take_events(const json::Array& events);

  std::shared_ptr<Gateway> gateway_;
  const Keys& keys_;
  std::string prefix_;
  ports::Revision from_;
  std::size_t member_ = 0;
  std::unique_ptr<net::HttpStream> stream_;
  std::unique_ptr<net::HttpLines> lines_;
  std::deque<ports::Batch> ready_;
  std::optional<ports::Compacted> compacted_;
  bool heard_ = false;  // a line of the present stream
};

}  // namespace ruche::drivers::etcd
