// The machine's own package sources, as far as they are its Debian release's: apt's one-line and
// deb822 files (sources.list(5)). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ruche::drivers::mirror {

struct AptFile {
  std::string name;  // decides between the two styles: *.sources is deb822
  std::string content;
};

// The entries for `codename`, its updates and its security updates with the component main, and
// nothing else, as one deb822 text. Entries signed by a key that is not Debian's are left out while
// there are others. Empty when there is none for the release itself.
std::string debian_sources(const std::vector<AptFile>& files, std::string_view codename);

// Directories of mirrors on this machine (file:, copy:), which a confined apt must be shown.
std::vector<std::string> local_mirrors(std::string_view sources);

}  // namespace ruche::drivers::mirror
