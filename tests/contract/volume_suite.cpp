#include "contract/volume_suite.hpp"

namespace ruche::contract {
namespace {

using model::DiskFormat;
using model::LayerContent;
using ports::VolumeRef;
using ports::VolumeState;

class PreparedVolumes : public VolumeContract {
 protected:
  void SetUp() override {
    VolumeContract::SetUp();
    run(driver().prepare());
  }
  Async<void> find_only(VolumeRef volume) { co_await driver().find(volume); }
};

TEST_F(VolumeContract, UnpreparedIsUnavailableAndStaysUntouched) {
  const auto status = get(driver().probe());
  EXPECT_EQ(status.state, model::DatastoreState::unavailable);
  EXPECT_FALSE(status.last_error.empty());
  EXPECT_EQ(create(disk(), mib(64)), "datastore-unavailable");
  EXPECT_EQ(failure(driver().write_note({owner_}, "note", "x")), "datastore-unavailable");
  EXPECT_EQ(harness_->files(), 0u);
}

TEST_F(VolumeContract, PrepareIsIdempotentAndRefusesWhatIsNotOurs) {
  run(driver().prepare());
  run(driver().prepare());
  const auto status = get(driver().probe());
  EXPECT_EQ(status.state, model::DatastoreState::available);
  EXPECT_GT(status.capacity.count, 0);
  EXPECT_GT(status.available.count, 0);
  EXPECT_EQ(status.last_error, "");
  auto other = harness_->other_datastore();
  EXPECT_EQ(failure(other->prepare()), "wrong-state");
  EXPECT_EQ(get(other->probe()).state, model::DatastoreState::unavailable);
}

TEST_F(VolumeContract, PrepareRefusesAPlaceWithForeignFiles) {
  harness_->put_foreign_file();
  EXPECT_EQ(failure(driver().prepare()), "wrong-state");
  EXPECT_NE(message_.find("not empty"), std::string::npos) << message_;
}

TEST_F(PreparedVolumes, CreateIsIdempotentByNameSizeAndParent) {
  const auto volume = disk();
  EXPECT_EQ(find(volume), VolumeState::absent);
  EXPECT_EQ(create(volume, mib(64)), "");
  EXPECT_EQ(find(volume), VolumeState::ready);
  EXPECT_EQ(create(volume, mib(64)), "");
  EXPECT_EQ(create(volume, mib(65)), "wrong-state");
  harness_->restart();
  EXPECT_EQ(find(volume), VolumeState::ready);
  EXPECT_EQ(harness_->files(), 1u);
  const auto file = driver().file(volume);
  EXPECT_EQ(file.format, DiskFormat::qcow2);
  EXPECT_TRUE(file.path.starts_with("/")) << file.path;
  EXPECT_TRUE(file.path.ends_with(to_text(volume.layer) + ".qcow2")) << file.path;
}

TEST_F(PreparedVolumes, RawVolumesAndOverlays) {
  const auto base = disk();
  const auto raw = disk(DiskFormat::raw);
  const auto overlay = disk();
  EXPECT_EQ(create(raw, mib(3)), "");
  EXPECT_EQ(find(raw), VolumeState::ready);
  EXPECT_EQ(create(overlay, mib(64), base), "no-such-object");
  EXPECT_EQ(create(base, mib(64)), "");
  EXPECT_EQ(create(overlay, mib(32), base), "out-of-range");
  EXPECT_EQ(create(disk(DiskFormat::raw), mib(64), base), "bad-spec");
  EXPECT_EQ(find(overlay), VolumeState::absent);
  EXPECT_EQ(create(overlay, mib(128), base), "");
  EXPECT_EQ(create(overlay, mib(128), base), "");
  EXPECT_EQ(create(overlay, mib(128)), "wrong-state") << "the parent is part of the request";
  EXPECT_EQ(create(disk(), mib(64), raw), "") << "an overlay on a raw layer";
}

TEST_F(PreparedVolumes, ImpossibleSizesAreRefused) {
  for (const auto size : {Bytes{0}, Bytes{-512}, Bytes{513}}) {
    EXPECT_EQ(create(disk(), size), "out-of-range") << size.count;
  }
  EXPECT_EQ(harness_->files(), 0u);
}

TEST_F(PreparedVolumes, RemoveIsIdempotentAndRefusesAnOpenVolume) {
  const auto volume = disk();
  EXPECT_EQ(remove(volume), "");
  EXPECT_EQ(create(volume, mib(64)), "");
  harness_->hold(volume);
  EXPECT_EQ(remove(volume), "in-use");
  EXPECT_EQ(find(volume), VolumeState::ready);
  harness_->let_go(volume);
  EXPECT_EQ(remove(volume), "");
  EXPECT_EQ(remove(volume), "");
  EXPECT_EQ(find(volume), VolumeState::absent);
  EXPECT_EQ(harness_->files(), 0u);
}

TEST_F(PreparedVolumes, ADiskGrowsAndNeverShrinks) {
  for (const auto format : {DiskFormat::qcow2, DiskFormat::raw}) {
    const auto volume = disk(format);
    EXPECT_EQ(failure(driver().grow(volume, mib(128))), "no-such-object");
    EXPECT_EQ(create(volume, mib(64)), "");
    EXPECT_EQ(get(driver().size(volume)), mib(64));
    harness_->hold(volume);
    EXPECT_EQ(failure(driver().grow(volume, mib(128))), "in-use");
    harness_->let_go(volume);
    EXPECT_EQ(failure(driver().grow(volume, gib(40))), "") << message_;
    EXPECT_EQ(failure(driver().grow(volume, gib(40))), "");
    EXPECT_EQ(get(driver().size(volume)), gib(40));
    EXPECT_EQ(failure(driver().grow(volume, gib(1))), "out-of-range");
    EXPECT_EQ(failure(driver().grow(volume, gib(40) + Bytes{1})), "out-of-range");
    harness_->restart();
    EXPECT_EQ(get(driver().size(volume)), gib(40));
  }
}

TEST_F(PreparedVolumes, APartialVolumeIsToldMadeAnewAndRemoved) {
  const auto first = disk();
  harness_->leave_partial(first);
  EXPECT_EQ(find(first), VolumeState::partial);
  EXPECT_EQ(create(first, mib(64)), "");
  EXPECT_EQ(find(first), VolumeState::ready);
  EXPECT_EQ(harness_->files(), 1u);
  const auto second = disk();
  harness_->leave_partial(second);
  EXPECT_EQ(remove(second), "");
  EXPECT_EQ(find(second), VolumeState::absent);
  EXPECT_EQ(harness_->files(), 1u);
}

TEST_F(PreparedVolumes, LowSpaceIsRefusedBeforeAnythingIsWritten) {
  const auto base = disk();
  EXPECT_EQ(create(base, mib(64)), "");
  harness_->fill();
  const auto volume = disk();
  EXPECT_EQ(create(volume, mib(64)), "not-enough-space");
  EXPECT_NE(message_.find("free"), std::string::npos) << message_;
  EXPECT_EQ(create(volume, mib(64), base), "not-enough-space");
  EXPECT_EQ(import(volume, harness_->qcow2_source()), "not-enough-space");
  EXPECT_EQ(find(volume), VolumeState::absent);
  EXPECT_EQ(harness_->files(), 1u);
  EXPECT_EQ(remove(base), "") << "removing needs no room";
  harness_->drain();
  EXPECT_EQ(create(volume, mib(64)), "");
}

TEST_F(PreparedVolumes, AVanishedPlaceIsUnavailableAndComesBackUntouched) {
  const auto volume = disk();
  EXPECT_EQ(create(volume, mib(64)), "");
  harness_->unmount();
  EXPECT_EQ(get(driver().probe()).state, model::DatastoreState::unavailable);
  EXPECT_EQ(failure(find_only(volume)), "datastore-unavailable");
  EXPECT_EQ(create(disk(), mib(64)), "datastore-unavailable");
  EXPECT_EQ(remove(volume), "datastore-unavailable");
  EXPECT_EQ(import(disk(), harness_->qcow2_source()), "datastore-unavailable");
  EXPECT_EQ(failure(driver().remove_owner(model::ObjectKind::guest, owner_)),
            "datastore-unavailable");
  harness_->mount();
  EXPECT_EQ(get(driver().probe()).state, model::DatastoreState::available);
  EXPECT_EQ(find(volume), VolumeState::ready);
}

TEST_F(PreparedVolumes, ImportJudgesCopiesAndTells) {
  const auto volume = disk();
  EXPECT_EQ(import(volume, harness_->qcow2_source()), "") << message_;
  EXPECT_EQ(find(volume), VolumeState::ready);
  EXPECT_EQ(imported_.virtual_size, mib(64));
  EXPECT_TRUE(imported_.checksum.starts_with("sha256:")) << imported_.checksum;
  ASSERT_FALSE(progress_.empty());
  EXPECT_EQ(progress_.back().first, progress_.back().second);
  // Again, after a crash of the daemon before it could write down the result.
  harness_->restart();
  const auto before = imported_;
  EXPECT_EQ(import(volume, harness_->qcow2_source()), "") << message_;
  EXPECT_EQ(imported_.virtual_size, before.virtual_size);
  EXPECT_EQ(imported_.checksum, before.checksum);
  EXPECT_EQ(create(disk(), mib(64), volume), "") << "an image is a parent";
  EXPECT_EQ(remove(volume), "");
}

TEST_F(PreparedVolumes, ImportBelievesRawOnlyWhenDeclared) {
  const auto volume = disk();
  EXPECT_EQ(import(volume, harness_->raw_source()), "image-refused");
  EXPECT_EQ(import(volume, harness_->raw_source(), model::ImageFormat::qcow2), "format-mismatch");
  EXPECT_EQ(import(volume, harness_->qcow2_source(), model::ImageFormat::raw), "format-mismatch");
  EXPECT_EQ(import(volume, harness_->refused_source()), "image-refused");
  EXPECT_EQ(import(volume, "/nonexistent/disk.qcow2"), "io-failed");
  EXPECT_EQ(find(volume), VolumeState::absent);
  EXPECT_EQ(harness_->files(), 0u);
  EXPECT_EQ(import(volume, harness_->raw_source(), model::ImageFormat::raw), "") << message_;
  EXPECT_EQ(imported_.virtual_size, mib(64));
}

TEST_F(PreparedVolumes, KernelsAreKeptVerbatim) {
  VolumeRef kernel = disk(DiskFormat::raw);
  kernel.owner_kind = model::ObjectKind::image;
  kernel.content = LayerContent::kernel;
  EXPECT_EQ(import(kernel, harness_->kernel_source()), "") << message_;
  EXPECT_EQ(find(kernel), VolumeState::ready);
  EXPECT_TRUE(driver().file(kernel).path.ends_with(".kernel"));
  EXPECT_EQ(remove(kernel), "");
  EXPECT_EQ(harness_->files(), 0u);
}

TEST_F(PreparedVolumes, WhatATpmKeepsIsMadeEmpty) {
  VolumeRef state = disk(DiskFormat::raw);
  state.content = LayerContent::tpm_state;
  EXPECT_EQ(create(state, kib(64)), "") << message_;
  EXPECT_EQ(create(state, kib(64)), "") << message_;
  EXPECT_EQ(find(state), VolumeState::ready);
  EXPECT_TRUE(driver().file(state).path.ends_with(".tpm"));
  EXPECT_EQ(remove(state), "");
  EXPECT_EQ(harness_->files(), 0u);
}

TEST_F(PreparedVolumes, CopyTakesAVolumeThatNobodyWrites) {
  const auto source = disk();
  const auto target = disk();
  EXPECT_EQ(failure(driver().copy(target, source, {})), "no-such-object");
  EXPECT_EQ(create(source, mib(64)), "");
  harness_->hold(source);
  EXPECT_EQ(failure(driver().copy(target, source, {})), "in-use");
  harness_->let_go(source);
  EXPECT_EQ(find(target), VolumeState::absent);
  EXPECT_EQ(failure(driver().copy(target, source, {})), "");
  EXPECT_EQ(failure(driver().copy(target, source, {})), "");
  EXPECT_EQ(create(target, mib(64)), "") << "the same size as its source";
  EXPECT_EQ(harness_->files(), 2u);
}

TEST_F(PreparedVolumes, NotesGoWithAnOwnerThatHasNoVolumes) {
  const auto volume = disk();
  EXPECT_EQ(create(volume, mib(64)), "");
  run(driver().write_note({owner_}, "guest.json", "{\"a\":1}"));
  run(driver().write_note({owner_}, "guest.json", "{\"a\":2}"));
  EXPECT_EQ(harness_->files(), 2u);
  run(driver().remove_owner(model::ObjectKind::guest, owner_));
  EXPECT_EQ(find(volume), VolumeState::ready);
  EXPECT_EQ(harness_->files(), 2u);
  EXPECT_EQ(remove(volume), "");
  run(driver().remove_owner(model::ObjectKind::guest, owner_));
  run(driver().remove_owner(model::ObjectKind::guest, owner_));
  EXPECT_EQ(harness_->files(), 0u);
}

TEST_F(PreparedVolumes, ManyAtOnce) {
  const auto base = disk();
  EXPECT_EQ(create(base, mib(64)), "");
  std::vector<VolumeRef> volumes;
  std::vector<Async<void>> works;
  for (int i = 0; i < 100; ++i) {
    volumes.push_back(disk());
    ports::CreateVolume request{volumes.back(), mib(64), base};
    works.push_back(driver().create(std::move(request)));
  }
  run(all(std::move(works)));
  for (const auto& volume : volumes) EXPECT_EQ(find(volume), VolumeState::ready);
  EXPECT_EQ(harness_->files(), 101u);
}

TEST_F(PreparedVolumes, WhatLiesThereIsFoundAndExamined) {
  auto& found = driver().found();
  EXPECT_TRUE(get(found.guests()).empty());
  auto base = disk();
  base.owner_kind = model::ObjectKind::image;
  base.owner = uuid();
  const auto overlay = disk();
  const auto raw = disk(DiskFormat::raw);
  EXPECT_EQ(create(base, mib(64)), "");
  EXPECT_EQ(create(overlay, mib(128), base), "");
  EXPECT_EQ(create(raw, mib(3)), "");
  run(driver().write_note({owner_}, "guest.json", "{}"));
  EXPECT_EQ(get(found.guests()), std::vector<model::GuestId>{{owner_}});
  EXPECT_EQ(get(found.read_note({owner_}, "guest.json")), "{}");
  EXPECT_EQ(get(found.examine(base)).size, mib(64));
  EXPECT_FALSE(get(found.examine(base)).parent);
  EXPECT_EQ(get(found.examine(raw)).size, mib(3));
  const auto seen = get(found.examine(overlay));
  EXPECT_EQ(seen.size, mib(128));
  ASSERT_TRUE(seen.parent);
  EXPECT_EQ(seen.parent->layer, base.layer);
  EXPECT_EQ(seen.parent->owner, base.owner);
  EXPECT_EQ(seen.parent->owner_kind, base.owner_kind);
  EXPECT_EQ(seen.parent->format, base.format);
}

TEST_F(PreparedVolumes, WhatIsNotThereIsNotFound) {
  auto& found = driver().found();
  const auto look = [&](VolumeRef volume) -> Async<void> { co_await found.examine(volume); };
  const auto read = [&](std::string name) -> Async<void> {
    co_await found.read_note({owner_}, std::move(name));
  };
  EXPECT_EQ(failure(look(disk())), "no-such-object");
  EXPECT_EQ(failure(read("guest.json")), "no-such-object");
  const auto volume = disk();
  EXPECT_EQ(create(volume, mib(64)), "");
  EXPECT_EQ(failure(read("guest.json")), "no-such-object");
  harness_->hold(volume);
  EXPECT_EQ(failure(look(volume)), "in-use");
  harness_->let_go(volume);
  EXPECT_EQ(failure(look(volume)), "");
}

TEST_F(PreparedVolumes, AnotherDatastoreIsAdoptedOnlyWhenThatIsWished) {
  const auto volume = disk();
  EXPECT_EQ(create(volume, mib(64)), "");
  auto other = harness_->other_datastore();
  EXPECT_EQ(failure(other->prepare()), "wrong-state");
  EXPECT_EQ(find(volume), VolumeState::ready);
  run(other->prepare(true));
  run(other->prepare(true));
  run(other->prepare());
  EXPECT_EQ(get(other->find(volume)), VolumeState::ready);
  EXPECT_EQ(failure(find_only(volume)), "datastore-unavailable") << "whoever had it finds it away";
}

TEST_F(VolumeContract, AnAdoptedPlaceMayBeNewButNotForeign) {
  harness_->put_foreign_file();
  EXPECT_EQ(failure(driver().prepare(true)), "wrong-state");
}

TEST_F(PreparedVolumes, WhatComesInIsAppendedFlushedAndForgotten) {
  auto& files = driver().incoming();
  const Uuid id = uuid();
  EXPECT_EQ(get(files.flush(id)), Bytes{});
  EXPECT_EQ(failure(files.append(id, Bytes{0}, "one ")), "");
  EXPECT_EQ(failure(files.append(id, Bytes{0}, "again")), "wrong-offset");
  EXPECT_EQ(failure(files.append(id, Bytes{5}, "gap")), "wrong-offset");
  EXPECT_EQ(failure(files.append(id, Bytes{4}, "two")), "");
  EXPECT_EQ(get(files.flush(id)), Bytes{7});
  const Uuid other = uuid();
  EXPECT_FALSE(get(files.open(other)).path.empty());
  EXPECT_GT(get(files.open(other)).room, Bytes{});
  EXPECT_EQ(get(files.flush(id)), Bytes{7});
  EXPECT_EQ(get(files.list()), (std::vector<Uuid>{id, other}));
  run(files.remove(id));
  run(files.remove(id));
  EXPECT_EQ(get(files.list()), std::vector<Uuid>{other});
  EXPECT_EQ(get(files.flush(id)), Bytes{});
  run(files.remove(other));
}

}  // namespace
}  // namespace ruche::contract
