#include "core/images/image_steps.hpp"

#include <fmt/format.h>

#include "core/storage/layers.hpp"

namespace ruche::core {

using model::BuildImage;
using model::DownloadImage;
using model::ForgetImage;
using model::ImportImage;

namespace {

model::ImageId image_of(const model::Step& step) {
  if (const auto* import = std::get_if<ImportImage>(&step)) return import->image;
  if (const auto* download = std::get_if<DownloadImage>(&step)) return download->image;
  if (const auto* build = std::get_if<BuildImage>(&step)) return build->image;
  return std::get<ForgetImage>(step).image;
}

// An upload has done its work, is no good, or may be used once more: with another format declared.
void settle_upload(Draft& draft, model::UploadId id, Outcome outcome, const Error* why) {
  const auto& uploads = draft.inventory().uploads();
  const auto found = uploads.find(id.value);
  if (found == uploads.end()) return;
  const bool damaged = why != nullptr && why->reason() == Reason::checksum_mismatch;
  if (outcome == Outcome::done || damaged) return draft.erase(keys::upload(id));
  auto& upload = draft.upload(id);
  upload.task.reset();
  upload.expires_at =
      Timestamp{draft.now().unix_ms + draft.inventory().settings().upload_expiry.count()};
}

}  // namespace

void forget_image(Draft& draft, model::ImageId id) {
  const auto found = draft.inventory().images().find(id.value);
  if (found == draft.inventory().images().end()) return;
  if (found->second->spec) {
    const model::Image& image = found->second->spec->value;
    for (const auto layer : layers_of(image)) remove_layer(draft, layer);
    draft.free_name("image", image.name);
  }
  draft.erase(keys::image(id));
  if (const auto* placement = draft.find_placement(id.value)) {
    draft.erase(keys::placement(placement->host, id.value));
  }
}

std::vector<model::LayerId> layers_of(const model::Image& image) {
  std::vector<model::LayerId> layers{image.disk};
  if (image.boot.kernel) layers.push_back(*image.boot.kernel);
  if (image.boot.initrd) layers.push_back(*image.boot.initrd);
  return layers;
}

bool ImageSteps::handles(const model::Step& step) const {
  return std::holds_alternative<ImportImage>(step) || std::holds_alternative<BuildImage>(step) ||
         std::holds_alternative<ForgetImage>(step) || std::holds_alternative<DownloadImage>(step);
}
bool ImageSteps::is_pivot(const model::Step& step) const {
  return std::holds_alternative<ForgetImage>(step);
}
bool ImageSteps::found_by_name(const model::Step&) const { return true; }

const model::Image* ImageSteps::find(model::ImageId id) const {
  const auto& images = parts_.writer.inventory().images();
  const auto found = images.find(id.value);
  return found == images.end() || !found->second->spec ? nullptr : &found->second->spec->value;
}

const model::Layer& ImageSteps::layer(model::LayerId id) const {
  const auto& layers = parts_.writer.inventory().layers();
  const auto found = layers.find(id.value);
  if (found == layers.end()) {
    throw Error(Reason::no_such_object, fmt::format("layer {} is gone", to_text(id)));
  }
  return found->second->value;
}

model::Image ImageSteps::copy_of(model::ImageId id) const {
  const auto* image = find(id);
  if (!image) throw Error(Reason::no_such_object, "the image's document is gone");
  return *image;
}

Async<Observation> ImageSteps::observe(const model::Step& step, const StepContext&) {
  if (const auto* download = std::get_if<DownloadImage>(&step)) {
    co_return co_await observe_download(*download);
  }
  const auto* image = find(image_of(step));
  if (std::holds_alternative<ForgetImage>(step)) {
    co_return image ? Observation::partial : Observation::done;
  }
  // The size is recorded last: a known size means that every file is complete.
  co_return image && image->size.count > 0 ? Observation::done : Observation::partial;
}

Async<void> ImageSteps::apply(const model::Step& step, const StepContext& context) {
  if (const auto* importing = std::get_if<ImportImage>(&step)) {
    co_await import(*importing, context);
  } else if (const auto* downloading = std::get_if<DownloadImage>(&step)) {
    co_await download(*downloading, context);
  } else if (const auto* building = std::get_if<BuildImage>(&step)) {
    co_await build(*building, context);
  } else {
    co_await remove_files(image_of(step));
  }
}

Async<void> ImageSteps::build(const BuildImage& step, const StepContext& context) {
  const model::Image target = copy_of(step.image);
  const std::string directory = parts_.build_directory + "/" + to_text(step.image);
  const auto say = [&context](std::string line) { context.progress({}, {}, std::move(line)); };
  const auto built = co_await parts_.builder.build(step.recipe, directory, say);

  const auto driver = parts_.pool.driver(target.datastore);
  const auto copy = [driver, this](
                        model::LayerId id, std::string path,
                        std::optional<model::ImageFormat> format) -> Async<ports::ImportResult> {
    ports::ImportSource source;
    source.path = std::move(path);
    source.declared_format = format;
    co_return co_await driver->import(volume_ref(layer(id)), std::move(source),
                                      [](Bytes, Bytes) {});
  };
  context.progress({}, {}, "copying the image");
  const bool raw = built.disk_format == model::DiskFormat::raw;
  const auto disk = co_await copy(target.disk, built.disk_path,
                                  raw ? model::ImageFormat::raw : model::ImageFormat::qcow2);
  if (target.boot.kernel) co_await copy(*target.boot.kernel, built.kernel_path, std::nullopt);
  if (target.boot.initrd) co_await copy(*target.boot.initrd, built.initrd_path, std::nullopt);
  const auto fill = [&](model::Image& i) {
    i.boot.command_line = built.command_line;
    i.source = built.source;
  };
  // The record is what says that nothing is left to do, so it comes last.
  co_await parts_.builder.clean(directory);
  co_await record(step.image, fill, disk.virtual_size);
}

Async<void> ImageSteps::record(model::ImageId id, std::function<void(model::Image&)> change,
                               Bytes size) {
  co_await parts_.writer.insist([&](Draft& draft) {
    auto& image = draft.image(id);
    image.size = size;
    change(image);
    draft.layer(image.disk).size = size;
  });
}

Async<void> ImageSteps::remove_files(model::ImageId id) {
  const auto* image = find(id);
  if (!image) co_return;
  const model::Image target = *image;
  const auto driver = parts_.pool.driver(target.datastore);
  for (const auto layer_id : layers_of(target)) {
    const auto& layers = parts_.writer.inventory().layers();
    const auto found = layers.find(layer_id.value);
    if (found != layers.end()) co_await driver->remove(volume_ref(found->second->value));
  }
  co_await driver->remove_owner(model::ObjectKind::image, id.value);
}

Async<void> ImageSteps::revert(const model::Step& step, const StepContext&) {
  if (std::holds_alternative<ForgetImage>(step)) co_return;
  if (std::holds_alternative<DownloadImage>(step)) {
    const auto* image = find(image_of(step));
    if (!image) co_return;
    const auto id = image->id;
    const auto driver = parts_.pool.driver(image->datastore);
    co_await driver->incoming().remove(id.value);
    co_return;
  }
  if (std::holds_alternative<BuildImage>(step)) {
    co_await parts_.builder.clean(parts_.build_directory + "/" + to_text(image_of(step)));
  }
  co_await remove_files(image_of(step));
}

void ImageSteps::settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) {
  if (std::holds_alternative<DownloadImage>(step)) return;  // the import settles for both
  if (const auto* import = std::get_if<ImportImage>(&step); import && import->upload) {
    settle_upload(draft, *import->upload, outcome, why);
  }
  const auto id = image_of(step);
  const bool forgets = std::holds_alternative<ForgetImage>(step);
  if (forgets != (outcome == Outcome::done)) {
    // A finished import, or a removal that did not happen: the image stays.
    if (forgets || !find(id)) return;
    auto& image = draft.image(id);
    image.state = model::ImageState::ready;
    for (const auto layer_id : layers_of(image)) {
      draft.layer(layer_id).state = model::LayerState::ready;
    }
    return;
  }
  forget_image(draft, id);
}

}  // namespace ruche::core
