#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"

namespace ruche::contract {
namespace {

INSTANTIATE_TYPED_TEST_SUITE_P(Qemu, HypervisorSuite, QemuHost);

}  // namespace
}  // namespace ruche::contract
