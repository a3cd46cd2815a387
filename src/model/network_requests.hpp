// What users ask of networks.
#pragma once

#include <optional>
#include <string>

#include "base/reflect.hpp"
#include "model/network.hpp"

namespace ruche::model {

struct CreateNetwork {
  std::string name;
  std::string description;
  NetworkKind kind = NetworkKind::nat;
  std::string subnet;  // empty: a free one is chosen
  bool no_dhcp = false;
  std::string domain;  // empty: <name>.internal
  std::uint32_t mtu = 1500;
  bool private_answers = false;
};

// The editable part of a network; PATCH merges into it.
struct NetworkEdit {
  std::string name;
  std::string description;
  NetworkKind kind = NetworkKind::nat;
  bool private_answers = false;
};

struct NetworkRef {
  std::string network;
};

struct AddForward {
  std::string network;
  std::uint16_t host_port = 0;
  std::string target;  // VM:PORT
  Protocol protocol = Protocol::tcp;
  std::string host_address;
};

struct RemoveForward {
  std::string network;
  std::uint16_t host_port = 0;
  Protocol protocol = Protocol::tcp;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateNetwork>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkEdit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AddForward>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RemoveForward>();
