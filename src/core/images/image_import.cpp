// Downloads and imports. A download is a file on the datastore under its image's id; an upload is
// one under its own.
#include "core/images/image_steps.hpp"

namespace ruche::core {

using model::DownloadImage;
using model::ImageFormat;
using model::ImageKind;
using model::ImportImage;

Async<Observation> ImageSteps::observe_download(const DownloadImage& step) {
  const auto* image = find(step.image);
  if (!image) co_return Observation::absent;
  if (image->size.count > 0) co_return Observation::done;
  const auto ref = volume_ref(layer(image->disk));
  const auto driver = parts_.pool.driver(image->datastore);
  // The import has made the volume of it: the file may be gone already.
  const auto state = co_await driver->find(ref);
  co_return state == ports::VolumeState::ready ? Observation::done : Observation::partial;
}

Async<void> ImageSteps::download(const DownloadImage& step, const StepContext& context) {
  const model::Image target = copy_of(step.image);
  const auto driver = parts_.pool.driver(target.datastore);
  const auto place = co_await driver->incoming().open(step.image.value);
  const auto there = co_await driver->incoming().flush(step.image.value);
  const auto limit = parts_.writer.inventory().settings().image_size_limit;
  ports::DownloadRequest request{step.url, place.path, std::min(limit, there + place.room)};
  const auto progress = [&context](Bytes done, Bytes total) {
    context.progress(done, total, "downloading");
  };
  std::optional<Error> failure;
  try {
    co_await parts_.downloads.fetch(std::move(request), progress);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  // The limit was the free space: say that, not that the file is too large.
  if (failure->reason() == Reason::body_too_large && there + place.room < limit) {
    throw Error(Reason::not_enough_space, "the datastore has no room for the file")
        .caused_by(*failure)
        .remedy("Free space on the datastore, or use another one.");
  }
  throw std::move(*failure);
}

ports::ImportSource ImageSteps::source_of(const ImportImage& step) const {
  ports::ImportSource source;
  source.path = step.path;
  if (step.path.empty()) source.incoming = step.upload ? step.upload->value : step.image.value;
  source.declared_format = step.format;
  source.checksum = step.checksum;
  source.size_limit = parts_.writer.inventory().settings().image_size_limit;
  return source;
}

// Whether it is an ISO decides how its layer is stored, and that is written down before the first
// byte of the layer is: whoever takes the import back finds the file by the document.
Async<void> ImageSteps::settle_kind(model::ImageId id, ports::VolumeDriver& driver,
                                    const ports::ImportSource& source) {
  const auto format = co_await driver.inspect(source);
  const auto kind = format == ImageFormat::iso ? ImageKind::iso : ImageKind::disk;
  const model::Image target = copy_of(id);
  if (target.kind == kind) co_return;
  co_await driver.remove(volume_ref(layer(target.disk)));
  co_await parts_.writer.insist([&](Draft& draft) {
    draft.image(id).kind = kind;
    draft.layer(target.disk).format =
        kind == ImageKind::iso ? model::DiskFormat::raw : model::DiskFormat::qcow2;
  });
}

Async<void> ImageSteps::import(const ImportImage& step, const StepContext& context) {
  const model::Image before = copy_of(step.image);
  const auto driver = parts_.pool.driver(before.datastore);
  const auto source = source_of(step);
  const auto state = co_await driver->find(volume_ref(layer(before.disk)));
  if (state != ports::VolumeState::ready) co_await settle_kind(step.image, *driver, source);
  const auto ref = volume_ref(layer(before.disk));
  const auto progress = [&context](Bytes done, Bytes total) {
    context.progress(done, total, "checking and copying the image");
  };
  ports::ImportResult result;
  std::optional<Error> failure;
  try {
    result = co_await driver->import(ref, source, progress);
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    // An upload that was damaged on its way is of no use to anybody; any other one may be tried
    // again, with another format declared.
    const bool damaged = failure->reason() == Reason::checksum_mismatch;
    if (step.upload && damaged) co_await driver->incoming().remove(step.upload->value);
    throw std::move(*failure);
  }
  if (source.incoming) co_await driver->incoming().remove(*source.incoming);
  // The record is what says that nothing is left to do, so it comes last.
  co_await record(
      step.image, [&](model::Image& i) { i.checksum = result.checksum; }, result.virtual_size);
}

}  // namespace ruche::core
