#include "contract/etcd_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace ruche::contract {

namespace {

constexpr const char* kProgram = "/usr/bin/etcd";

std::uint16_t free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(listener);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

}  // namespace

bool EtcdServer::installed() { return ::access(kProgram, X_OK) == 0; }

EtcdServer::EtcdServer(std::string name)
    : name_(std::move(name)), client_port_(free_port()), peer_port_(free_port()) {}
EtcdServer::~EtcdServer() { kill(); }

std::string EtcdServer::peer() const {
  return fmt::format("{}=http://127.0.0.1:{}", name_, peer_port_);
}

void EtcdServer::start() { start(peer()); }

void EtcdServer::start(const std::string& initial_cluster) {
  const std::string client = fmt::format("http://127.0.0.1:{}", client_port_);
  const std::string peer_url = fmt::format("http://127.0.0.1:{}", peer_port_);
  std::vector<std::string> arguments{kProgram,
                                     "--data-dir=" + directory_.file("etcd"),
                                     "--name=" + name_,
                                     "--log-level=warn",
                                     "--listen-client-urls=" + client,
                                     "--advertise-client-urls=" + client,
                                     "--listen-peer-urls=" + peer_url,
                                     "--initial-advertise-peer-urls=" + peer_url,
                                     "--initial-cluster=" + initial_cluster};
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log = directory_.file("log");
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(output, 1);
  ::dup2(output, 2);
  ::execv(kProgram, argv.data());
  ::_exit(127);
}

void EtcdServer::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(std::exchange(pid_, 0), nullptr, 0);
}
void EtcdServer::freeze() { ::kill(pid_, SIGSTOP); }
void EtcdServer::thaw() { ::kill(pid_, SIGCONT); }

}  // namespace ruche::contract
