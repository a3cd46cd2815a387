// Chains of layers under the contract of ports::VolumeDriver: copies of what they show, and merges.
#include "contract/volume_suite.hpp"

namespace ruche::contract {
namespace {

using model::DiskFormat;
using model::LayerContent;
using model::LayerId;
using ports::VolumeRef;
using ports::VolumeState;
using MaybeVolume = std::optional<VolumeRef>;

class Layers : public VolumeContract {
 protected:
  void SetUp() override {
    VolumeContract::SetUp();
    run(driver().prepare());
    image_ = disk();
    image_.owner_kind = model::ObjectKind::image;
    image_.owner = uuid();
    EXPECT_EQ(create(image_, mib(64)), "");
  }
  VolumeRef on(const VolumeRef& parent, Bytes size = mib(64)) {
    const auto volume = disk();
    EXPECT_EQ(create(volume, size, parent), "") << message_;
    return volume;
  }
  ports::ProgressSink sink() {
    return [this](Bytes done, Bytes total) { progress_.emplace_back(done, total); };
  }
  std::string clone(const VolumeRef& volume, const VolumeRef& source, MaybeVolume parent = {}) {
    return failure(driver().clone(volume, source, parent, sink()));
  }
  std::string merge(const VolumeRef& volume, const VolumeRef& below, MaybeVolume base = {}) {
    return failure(driver().merge(volume, below, base, sink()));
  }
  std::optional<LayerId> parent(const VolumeRef& volume) { return get(driver().parent(volume)); }
  Async<void> only_parent(VolumeRef volume) { co_await driver().parent(volume); }
  Async<void> only_used(VolumeRef volume) { co_await driver().used(volume); }

  VolumeRef image_;
};

TEST_F(Layers, SayOnWhatTheyStandAlsoWhileTheyAreOpen) {
  const auto top = on(image_);
  const auto raw = disk(DiskFormat::raw);
  EXPECT_EQ(failure(only_parent(disk())), "no-such-object");
  EXPECT_EQ(create(raw, mib(3)), "");
  EXPECT_EQ(parent(top), image_.layer);
  EXPECT_EQ(parent(image_), std::nullopt);
  EXPECT_EQ(parent(raw), std::nullopt);
  harness_->hold(top);
  EXPECT_EQ(parent(top), image_.layer);
  harness_->let_go(top);
}

TEST_F(Layers, SayWhatTheyTake) {
  EXPECT_EQ(failure(only_used(disk())), "no-such-object");
  const auto full = disk();
  EXPECT_EQ(import(full, harness_->qcow2_source()), "") << message_;
  EXPECT_GT(get(driver().used(full)), Bytes{});
  EXPECT_GE(get(driver().used(full)), get(driver().used(image_)));
}

TEST_F(Layers, ACloneStandsOnALayerOfTheChainOrOnNothing) {
  const auto middle = on(image_);
  const auto top = on(middle, mib(128));
  const auto linked = disk();
  const auto alone = disk();
  const auto raw = disk(DiskFormat::raw);
  EXPECT_EQ(clone(linked, top, image_), "") << message_;
  ASSERT_FALSE(progress_.empty());
  EXPECT_EQ(progress_.back().first, progress_.back().second);
  EXPECT_EQ(clone(alone, top), "") << message_;
  EXPECT_EQ(clone(raw, top), "") << message_;
  EXPECT_EQ(parent(linked), image_.layer);
  EXPECT_EQ(parent(alone), std::nullopt);
  for (const auto& copy : {linked, alone, raw}) EXPECT_EQ(get(driver().size(copy)), mib(128));
  harness_->restart();
  EXPECT_EQ(clone(linked, top, image_), "") << "again is nothing";
  EXPECT_EQ(find(linked), VolumeState::ready);
  EXPECT_EQ(parent(top), middle.layer) << "the source stays as it was";
  EXPECT_EQ(remove(top), "");
  EXPECT_EQ(clone(linked, top, image_), "") << "also when its source has gone";
  EXPECT_EQ(harness_->files(), 5u);
}

TEST_F(Layers, WhatCannotBeClonedIsRefusedAndLeavesNothing) {
  const auto top = on(image_);
  const auto stranger = on(image_);
  const auto copy = disk();
  EXPECT_EQ(clone(copy, disk()), "no-such-object");
  EXPECT_EQ(clone(copy, top, stranger), "wrong-state");
  EXPECT_EQ(clone(disk(DiskFormat::raw), top, image_), "bad-spec");
  for (const auto& open : {top, image_}) {
    harness_->hold(open);
    EXPECT_EQ(clone(copy, top), "in-use");
    harness_->let_go(open);
  }
  harness_->fill();
  EXPECT_EQ(clone(copy, top), "not-enough-space");
  EXPECT_EQ(clone(copy, top, image_), "not-enough-space");
  harness_->drain();
  EXPECT_EQ(find(copy), VolumeState::absent);
  EXPECT_EQ(harness_->files(), 3u);
  harness_->leave_partial(copy);
  EXPECT_EQ(clone(copy, top, image_), "") << message_;
  EXPECT_EQ(harness_->files(), 4u);
}

TEST_F(Layers, MergeInTheMiddleAndAtTheBottom) {
  const auto lower = on(image_);
  const auto upper = on(lower);
  const auto top = on(upper, mib(128));
  EXPECT_EQ(merge(upper, lower, image_), "") << message_;
  EXPECT_EQ(parent(upper), image_.layer);
  EXPECT_EQ(parent(top), upper.layer);
  EXPECT_EQ(merge(upper, lower, image_), "") << "again is nothing";
  EXPECT_EQ(remove(lower), "");
  harness_->restart();
  EXPECT_EQ(merge(upper, lower, image_), "") << "also when the other has gone";
  EXPECT_EQ(merge(upper, image_), "") << message_;
  EXPECT_EQ(parent(upper), std::nullopt);
  EXPECT_EQ(merge(upper, image_), "");
  EXPECT_EQ(merge(top, upper), "") << message_;
  EXPECT_EQ(parent(top), std::nullopt);
  EXPECT_EQ(get(driver().size(top)), mib(128));
  EXPECT_EQ(remove(upper), "");
  EXPECT_EQ(remove(image_), "");
  EXPECT_EQ(harness_->files(), 1u);
}

TEST_F(Layers, MergeWithRawLayers) {
  const auto raw = disk(DiskFormat::raw);
  EXPECT_EQ(create(raw, mib(64)), "");
  const auto lower = on(raw);
  const auto upper = on(lower);
  EXPECT_EQ(merge(upper, lower, raw), "") << message_;
  EXPECT_EQ(parent(upper), raw.layer);
  EXPECT_EQ(create(upper, mib(64), raw), "") << "as if it had been made on it";
  EXPECT_EQ(merge(upper, raw), "") << message_;
  EXPECT_EQ(parent(upper), std::nullopt);
}

TEST_F(Layers, WhatCannotBeMergedStaysAsItIs) {
  const auto lower = on(image_);
  const auto top = on(lower);
  const auto stranger = on(image_);
  EXPECT_EQ(merge(disk(), lower, image_), "no-such-object");
  EXPECT_EQ(merge(top, stranger, image_), "wrong-state");
  EXPECT_EQ(merge(top, lower, stranger), "wrong-state");
  for (const auto& open : {top, lower}) {
    harness_->hold(open);
    EXPECT_EQ(merge(top, lower, image_), "in-use");
    harness_->let_go(open);
  }
  harness_->fill();
  EXPECT_EQ(merge(top, lower, image_), "not-enough-space");
  harness_->drain();
  EXPECT_EQ(parent(top), lower.layer);
  EXPECT_EQ(harness_->files(), 4u);
  EXPECT_EQ(merge(top, lower, image_), "") << message_;
}

TEST_F(Layers, FiftyDeep) {
  std::vector<VolumeRef> chain{image_};
  for (int i = 0; i < 50; ++i) chain.push_back(on(chain.back()));
  const auto copy = disk();
  EXPECT_EQ(clone(copy, chain.back(), image_), "") << message_;
  EXPECT_EQ(parent(copy), image_.layer);
  EXPECT_EQ(merge(chain[25], chain[24], chain[23]), "") << message_;
  EXPECT_EQ(merge(chain[50], chain[49], image_), "") << "down to any layer of the chain";
  EXPECT_EQ(parent(chain[25]), chain[23].layer);
  EXPECT_EQ(parent(chain[50]), image_.layer);
  EXPECT_EQ(harness_->files(), 52u);
}

TEST_F(Layers, ACopyOfAnOverlayStandsOnTheSameParent) {
  const auto source = on(image_);
  auto copy = disk();
  copy.owner = uuid();
  EXPECT_EQ(failure(driver().copy(copy, source, {})), "");
  EXPECT_EQ(parent(copy), image_.layer);
  EXPECT_EQ(create(copy, mib(64), image_), "") << "as if it had been made on it";
}

TEST_F(Layers, FirmwareVariablesAreMadeEmptyForACopyOfThem) {
  VolumeRef variables = disk(DiskFormat::raw);
  variables.content = LayerContent::uefi_vars;
  EXPECT_EQ(create(variables, kib(528)), "") << message_;
  EXPECT_EQ(create(variables, kib(528)), "");
  EXPECT_EQ(get(driver().size(variables)), kib(528));
  EXPECT_TRUE(driver().file(variables).path.ends_with(".vars"));
  EXPECT_EQ(parent(variables), std::nullopt);
  EXPECT_EQ(remove(variables), "");
}

}  // namespace
}  // namespace ruche::contract
