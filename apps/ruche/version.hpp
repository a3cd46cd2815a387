#pragma once

namespace ruche::cli {
#ifdef RUCHE_VERSION
inline constexpr const char* kVersion = RUCHE_VERSION;
#else
inline constexpr const char* kVersion = "development";
#endif
}  // namespace ruche::cli
