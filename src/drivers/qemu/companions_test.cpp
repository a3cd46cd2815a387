#include "drivers/qemu/companions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/qemu/shares.hpp"
#include "drivers/qemu/tpm.hpp"

namespace ruche::drivers::qemu {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const model::GuestId kGuest{*parse_uuid("01890000-0000-7000-8000-000000000001")};

TEST(Companions, are_what_the_command_line_has_outside_of_qemu) {
  const GuestDirectory place("/run/ruche/guests", kGuest);
  RuntimeRecord record;
  record.guest = kGuest;
  EXPECT_THAT(companions_of(record, place), IsEmpty());
  record.argv = {"/usr/bin/qemu-system-x86_64",
                 "-device",
                 "virtio-rng-pci,id=rng,bus=port1,rng=random",
                 "-device",
                 "tpm-crb,id=tpm1,tpmdev=tpm0",
                 "-device",
                 "vhost-user-fs-pci,id=share-data,chardev=share-datac,tag=data,bus=port5",
                 "-append",
                 "tpm-crb,",
                 "-device",
                 "vhost-user-fs-pci,id=share-more,chardev=share-morec,tag=more,bus=port6"};
  const auto found = companions_of(record, place);
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].words, tpm_words(kGuest));
  EXPECT_THAT(found[0].loss, HasSubstr("TPM"));
  EXPECT_EQ(found[1].words, share_words(place, 0));
  EXPECT_THAT(found[1].loss, HasSubstr("folder data "));
  EXPECT_EQ(found[2].words, share_words(place, 1));
  EXPECT_THAT(found[2].loss, HasSubstr("folder more "));
}

}  // namespace
}  // namespace ruche::drivers::qemu
