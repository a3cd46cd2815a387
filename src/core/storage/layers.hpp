// Layer documents: made in the planning commit, counted, settled when their volume is there or
// gone. The disks of a guest are counted in its resource pool with them.
#pragma once

#include "core/inventory/draft.hpp"

namespace ruche::core {

// Creates the document (state creating) and counts it on its parent.
model::Layer& add_layer(Draft& draft, model::Layer layer);
// Its volume is to be, or is, this large.
void resize_layer(Draft& draft, model::LayerId id, Bytes size);
// Removes the document and its count on the parent. A missing one is not an error.
void remove_layer(Draft& draft, model::LayerId id);
// Counts another user (a guest that boots from it) on a layer, or takes the count back.
void count_user(Draft& draft, model::LayerId id, int change);

}  // namespace ruche::core
