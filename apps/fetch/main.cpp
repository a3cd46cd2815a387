// fetch: downloads one file by HTTP or HTTPS. Descriptor 3 is the file, 4 its journal, which says
// what to fetch and is told how it went (src/drivers/curl/journal.hpp). It takes no arguments,
// because everybody can read those. One attempt a run: who started it decides about another.
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "drivers/curl/journal.hpp"

namespace {

using namespace ruche::drivers::curl;

// Everything one attempt knows.
struct Fetch {
  FetchJournal journal;
  std::uint64_t begin = 0;    // bytes that were there
  std::uint64_t offset = 0;   // where the next byte goes
  long status = 0;            // of the answer whose head is being read
  std::string etag, modified, range;
  std::optional<std::uint64_t> length;
  bool head_done = false;     // of the final answer
  bool link_local = false;
  FetchEnd verdict = FetchEnd::none;
  std::string words;
};

void write_journal(std::string_view word, std::string_view value) {
  const auto line = journal_line(word, value);
  struct stat info{};
  if (::fstat(kJournalDescriptor, &info) != 0) return;
  if (info.st_size + static_cast<off_t>(line.size()) > static_cast<off_t>(kLargestJournal)) return;
  const auto ignored = ::pwrite(kJournalDescriptor, line.data(), line.size(), info.st_size);
  (void)ignored;
}

bool stop(Fetch& fetch, FetchEnd end, std::string words) {
  fetch.verdict = end;
  fetch.words = std::move(words);
  return false;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || text.size() > 18) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

bool is_field(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return false;
  return ::strncasecmp(line.data(), name.data(), name.size()) == 0;
}

// "HTTP/1.1 206 …" begins a new answer: after a redirect, or the proxy's.
void take_head_line(Fetch& fetch, std::string_view line) {
  if (line.starts_with("HTTP/")) {
    fetch.status = 0;
    fetch.etag.clear();
    fetch.modified.clear();
    fetch.range.clear();
    fetch.length.reset();
    const auto space = line.find(' ');
    if (space != line.npos) {
      const auto code = number(line.substr(space + 1, 3));
      fetch.status = code ? static_cast<long>(*code) : 0;
    }
    return;
  }
  const auto value = [&] { return trimmed(line.substr(line.find(':') + 1)); };
  if (is_field(line, "etag")) fetch.etag = value();
  if (is_field(line, "last-modified")) fetch.modified = value();
  if (is_field(line, "content-range")) fetch.range = value();
  if (is_field(line, "content-length")) fetch.length = number(value());
}

std::size_t on_head(char* data, std::size_t size, std::size_t count, void* user) {
  take_head_line(*static_cast<Fetch*>(user), trimmed({data, size * count}));
  return size * count;
}

// "bytes 100-199/200": the total, when it begins where we stand (RFC 9110 section 14.4).
std::optional<std::uint64_t> total_of_range(const Fetch& fetch) {
  std::string_view text = fetch.range;
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return std::nullopt;
  if (number(text.substr(0, dash)) != fetch.begin) return std::nullopt;
  return number(text.substr(slash + 1));
}

bool start_over(Fetch& fetch) {
  if (::ftruncate(kDataDescriptor, 0) != 0) {
    return stop(fetch, FetchEnd::broken, "the file could not be emptied");
  }
  fetch.begin = fetch.offset = 0;
  write_journal("fresh", "");
  if (!fetch.etag.empty()) write_journal("etag", fetch.etag);
  if (!fetch.modified.empty()) write_journal("modified", fetch.modified);
  fetch.journal.size = fetch.length;
  if (fetch.length) write_journal("size", std::to_string(*fetch.length));
  return true;
}

std::string bytes_text(std::uint64_t count) { return std::to_string(count) + " bytes"; }

// The first byte of the body has come: is it the body we want?
bool begin_body(Fetch& fetch) {
  if (fetch.status == 206 && fetch.begin > 0) {
    const auto total = total_of_range(fetch);
    if (!total || (fetch.journal.size && *fetch.journal.size != *total)) {
      // Another file, or a server that cannot count: begin again with the next attempt.
      fetch.etag.clear();
      fetch.modified.clear();
      fetch.length.reset();
      start_over(fetch);
      return stop(fetch, FetchEnd::broken, "the server sent another part than was asked for");
    }
    fetch.journal.size = total;
    write_journal("size", std::to_string(*total));
  } else if (fetch.status == 200) {
    if (!start_over(fetch)) return false;
  } else {
    return stop(fetch, FetchEnd::broken,
                "the server answered " + std::to_string(fetch.status) + " with a body");
  }
  if (fetch.journal.size && *fetch.journal.size > fetch.journal.limit) {
    return stop(fetch, FetchEnd::too_large,
                "the file has " + bytes_text(*fetch.journal.size) + "; at most " +
                    bytes_text(fetch.journal.limit) + " may be fetched");
  }
  return true;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& fetch = *static_cast<Fetch*>(user);
  const std::size_t length = size * count;
  if (fetch.status >= 300) return length;  // the words of an error page are nobody's
  if (!fetch.head_done) {
    fetch.head_done = true;
    if (!begin_body(fetch)) return CURL_WRITEFUNC_ERROR;
  }
  if (fetch.offset + length > fetch.journal.limit) {
    stop(fetch, FetchEnd::too_large,
         "the server sends more than the " + bytes_text(fetch.journal.limit) + " that are allowed");
    return CURL_WRITEFUNC_ERROR;
  }
  std::size_t done = 0;
  while (done < length) {
    const auto wrote =
        ::pwrite(kDataDescriptor, data + done, length - done, static_cast<off_t>(fetch.offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      const bool full = wrote == 0 || errno == ENOSPC || errno == EDQUOT;
      stop(fetch, full ? FetchEnd::full : FetchEnd::broken,
           std::string("the file could not be written: ") + std::strerror(errno));
      return CURL_WRITEFUNC_ERROR;
    }
    done += static_cast<std::size_t>(wrote);
    fetch.offset += static_cast<std::uint64_t>(wrote);
  }
  return length;
}

// 169.254.0.0/16 and fe80::/10 are where clouds keep their metadata and secrets; no image is there.
bool is_link_local(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto host = ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
    return host >> 16 == 0xa9fe;
  }
  if (address->sa_family != AF_INET6) return false;
  const auto& bytes = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr.s6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr)) {
    return bytes[12] == 0xa9 && bytes[13] == 0xfe;
  }
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

curl_socket_t on_socket(void* user, curlsocktype, curl_sockaddr* address) {
  if (is_link_local(&address->addr)) {
    static_cast<Fetch*>(user)->link_local = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// What was there is gone on from only when the server can be asked whether it is still the same.
curl_slist* resume(Fetch& fetch, CURL* curl) {
  const bool strong = !fetch.journal.etag.empty() && !fetch.journal.etag.starts_with("W/");
  const auto& validator = strong ? fetch.journal.etag : fetch.journal.modified;
  if (fetch.begin == 0 || validator.empty()) {
    fetch.begin = 0;
    return nullptr;
  }
  fetch.offset = fetch.begin;
  const auto range = std::to_string(fetch.begin) + "-";
  curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
  return curl_slist_append(nullptr, ("If-Range: " + validator).c_str());
}

void set_limits(CURL* curl, const Fetch& fetch) {
  const bool tls = ::strncasecmp(fetch.journal.url.c_str(), "https:", 6) == 0;
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // Who asked for TLS is not led away from it.
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1024L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(fetch.journal.patience));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "ruche");
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
}

FetchEnd end_of_status(Fetch& fetch) {
  const auto said = "the server answered " + std::to_string(fetch.status);
  if (fetch.status == 416) {
    // All of it is there, or it became shorter meanwhile.
    if (fetch.journal.size && fetch.begin == *fetch.journal.size) return FetchEnd::done;
    fetch.etag.clear();
    fetch.modified.clear();
    fetch.length.reset();
    start_over(fetch);
    fetch.words = "the file on the server became shorter";
    return FetchEnd::broken;
  }
  fetch.words = said;
  const bool passes = fetch.status >= 500 || fetch.status == 408 || fetch.status == 429;
  return passes ? FetchEnd::broken : FetchEnd::refused;
}

FetchEnd judge(Fetch& fetch, CURLcode result) {
  if (fetch.verdict != FetchEnd::none) return fetch.verdict;
  if (fetch.link_local) {
    fetch.words = "the URL leads to a link-local address, where no image is";
    return FetchEnd::refused;
  }
  if (result == CURLE_OK && fetch.status >= 300) return end_of_status(fetch);
  if (result == CURLE_OK && !fetch.head_done && !(fetch.status == 200 && start_over(fetch))) {
    fetch.words = "the server sent nothing";
    return FetchEnd::broken;
  }
  if (result == CURLE_OK && fetch.journal.size && fetch.offset != *fetch.journal.size) {
    fetch.words =
        "the server sent " + bytes_text(fetch.offset) + " of " + bytes_text(*fetch.journal.size);
    return FetchEnd::broken;
  }
  if (result == CURLE_OK) return FetchEnd::done;
  fetch.words = curl_easy_strerror(result);
  switch (result) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_LOGIN_DENIED:
      return FetchEnd::refused;
    default:
      return FetchEnd::broken;
  }
}

int run() {
  Fetch fetch;
  std::string text(kLargestJournal, '\0');
  const auto have = ::pread(kJournalDescriptor, text.data(), text.size(), 0);
  struct stat info{};
  if (have <= 0 || ::fstat(kDataDescriptor, &info) != 0) return 2;
  text.resize(static_cast<std::size_t>(have));
  fetch.journal = read_journal(text);
  fetch.begin = static_cast<std::uint64_t>(info.st_size);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURL* curl = curl_easy_init();
  if (curl == nullptr) return 2;
  set_limits(curl, fetch);
  curl_easy_setopt(curl, CURLOPT_URL, fetch.journal.url.c_str());
  curl_slist* headers = resume(fetch, curl);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &fetch);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &fetch);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &fetch);
  const auto result = curl_easy_perform(curl);
  const auto end = judge(fetch, result);
  if (!fetch.words.empty()) write_journal("words", fetch.words);
  write_journal("end", word_of(end));
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  return end == FetchEnd::done ? 0 : 1;
}

}  // namespace

int main() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  return run();
}
