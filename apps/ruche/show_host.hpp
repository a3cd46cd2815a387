// What `ruche host check` and `ruche host show` print.
#pragma once

#include <string>
#include <vector>

#include "model/views.hpp"
#include "output.hpp"

namespace ruche::cli {

// The findings that are not ok come with why they matter and what to do.
std::string check_text(const model::HostCheck& check, const Look& look);

// The inventory of a host, what is used of it, and what is promised.
std::string host_text(const model::HostView& host,
                      const std::vector<model::DatastoreView>& datastores);

}  // namespace ruche::cli
