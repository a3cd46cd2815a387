// The steps of images: download, import, build, removal.
#pragma once

#include <string>

#include "core/storage/datastore_pool.hpp"
#include "core/tasks/engine.hpp"
#include "ports/downloads.hpp"
#include "ports/volumes.hpp"

namespace ruche::core {

class ImageSteps : public StepHandler {
 public:
  struct Parts {
    Writer& writer;
    DatastorePool& pool;
    ports::ImageBuilder& builder;
    ports::Downloads& downloads;
    std::string build_directory;  // scratch space of builds, one folder an image
  };
  explicit ImageSteps(Parts parts) : parts_(std::move(parts)) {}

  bool handles(const model::Step& step) const override;
  Async<Observation> observe(const model::Step& step, const StepContext& context) override;
  Async<void> apply(const model::Step& step, const StepContext& context) override;
  Async<void> revert(const model::Step& step, const StepContext& context) override;
  void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) override;
  bool is_pivot(const model::Step& step) const override;
  bool found_by_name(const model::Step& step) const override;

 private:
  const model::Image* find(model::ImageId id) const;
  const model::Layer& layer(model::LayerId id) const;
  model::Image copy_of(model::ImageId id) const;  // the inventory goes on meanwhile
  Async<Observation> observe_download(const model::DownloadImage& step);
  Async<void> download(const model::DownloadImage& step, const StepContext& context);
  Async<void> import(const model::ImportImage& step, const StepContext& context);
  ports::ImportSource source_of(const model::ImportImage& step) const;
  Async<void> settle_kind(model::ImageId id, ports::VolumeDriver& driver,
                          const ports::ImportSource& source);
  Async<void> build(const model::BuildImage& step, const StepContext& context);
  Async<void> record(model::ImageId id, std::function<void(model::Image&)> change, Bytes size);
  Async<void> remove_files(model::ImageId id);

  Parts parts_;
};

// Removes an image's documents; a missing one is not an error.
void forget_image(Draft& draft, model::ImageId id);
// All layers that belong to an image.
std::vector<model::LayerId> layers_of(const model::Image& image);

}  // namespace ruche::core
