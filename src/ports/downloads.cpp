#include "ports/downloads.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace ruche::ports {

namespace {

Error bad_url(std::string what) {
  return Error(Reason::bad_format, std::move(what))
      .at("/url")
      .remedy("Give a URL like https://example.org/debian-12.qcow2.");
}

bool starts_with_word(const std::string& text, std::string_view word) {
  return text.size() > word.size() &&
         std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
         });
}

}  // namespace

void check_url(const std::string& url) {
  constexpr std::size_t kMost = 4096;
  if (url.size() > kMost) throw bad_url("the URL is too long");
  const bool plain =
      std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!plain) throw bad_url("the URL has characters that must be percent-encoded");
  std::size_t begin = 0;
  if (starts_with_word(url, "https://")) begin = 8;
  if (starts_with_word(url, "http://")) begin = 7;
  if (begin == 0) throw bad_url("only http and https URLs can be downloaded");
  const auto authority = url.substr(begin, url.find_first_of("/?#\\", begin) - begin);
  if (authority.empty()) throw bad_url("the URL names no host");
  if (authority.find('@') != std::string::npos) {
    throw bad_url("a URL with a user name or a password is not accepted: it would be stored")
        .remedy("Download the file yourself and import it, or upload it (--upload).");
  }
}

std::string shown_url(const std::string& url) { return url.substr(0, url.find_first_of("?#")); }

}  // namespace ruche::ports
