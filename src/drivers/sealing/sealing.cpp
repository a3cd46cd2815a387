#include "drivers/sealing/sealing.hpp"

#include <sodium/core.h>
#include <sodium/crypto_secretbox.h>
#include <sodium/randombytes.h>

#include "base/base64.hpp"
#include "base/error.hpp"

namespace ruche::drivers::sealing {

namespace {

static_assert(kKeyBytes == crypto_secretbox_KEYBYTES);

// The form of a sealed text: this, then base64 of the nonce and the box.
constexpr std::string_view kForm = "sealed-1:";
constexpr std::size_t kNonce = crypto_secretbox_NONCEBYTES;
constexpr std::size_t kTag = crypto_secretbox_MACBYTES;

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

class SecretBox final : public ports::Sealing {
 public:
  explicit SecretBox(const Secret<std::string>& key) : key_(key) {}

  std::string seal(const Secret<std::string>& secret) override {
    const auto& plain = secret.reveal();
    if (plain.empty()) return {};
    std::string box(kNonce + kTag + plain.size(), '\0');
    ::randombytes_buf(box.data(), kNonce);
    crypto_secretbox_easy(bytes_of(box) + kNonce, bytes_of(plain), plain.size(), bytes_of(box),
                          bytes_of(key_.reveal()));
    return std::string(kForm) + to_base64(box);
  }

  std::optional<Secret<std::string>> open(std::string_view sealed) override {
    if (sealed.empty()) return Secret<std::string>();
    if (!sealed.starts_with(kForm)) return std::nullopt;
    const auto box = parse_base64(sealed.substr(kForm.size()));
    if (!box || box->size() < kNonce + kTag) return std::nullopt;
    std::string plain(box->size() - kNonce - kTag, '\0');
    const int bad =
        crypto_secretbox_open_easy(bytes_of(plain), bytes_of(*box) + kNonce, box->size() - kNonce,
                                   bytes_of(*box), bytes_of(key_.reveal()));
    if (bad != 0) return std::nullopt;
    Secret<std::string> opened(plain);
    wipe(plain);
    return opened;
  }

 private:
  Secret<std::string> key_;
};

}  // namespace

Secret<std::string> make_key() {
  if (::sodium_init() < 0) broken_invariant("libsodium cannot be used");
  std::string key(kKeyBytes, '\0');
  ::randombytes_buf(key.data(), key.size());
  Secret<std::string> made(key);
  wipe(key);
  return made;
}

std::unique_ptr<ports::Sealing> new_sealing(const Secret<std::string>& key) {
  if (::sodium_init() < 0) broken_invariant("libsodium cannot be used");
  if (key.reveal().size() != kKeyBytes) {
    throw Error(Reason::io_failed, "the key for secrets is damaged")
        .remedy(
            "restore the file secrets.key of the data directory, or move it away: then what "
            "guests were to be told at their first boot is lost");
  }
  return std::make_unique<SecretBox>(key);
}

}  // namespace ruche::drivers::sealing
