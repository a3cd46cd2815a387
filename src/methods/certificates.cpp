#include "methods/tables.hpp"

namespace ruche::methods {

std::vector<Method> certificate_methods() {
  Method show = value_of<model::HostRef, model::CertificateView>({
      .id = "certificate.show",
      .path = "/v1/hosts/{host}/certificate",
      .summary = "Show the certificate of a host",
      .description = "What it shows to HTTPS clients. Compare the fingerprint with the one that "
                     "`ruche login` or a browser shows.",
      .command = "host certificate show",
      .default_argument = "self",
      .examples = {{"Of the one you talk to", "ruche host certificate show"}},
  });
  Method set = value_of<SetCertificate, model::CertificateView>({
      .id = "certificate.set",
      .verb = Verb::put,
      .path = "/v1/hosts/{host}/certificate",
      .role = Role::administrator,
      .recorded_first = true,
      .summary = "Replace the certificate of a host",
      .description =
          "Checked before anything changes. New connections see it at once, open ones go "
          "on. Clients that trust the old one by its fingerprint must log in again.",
      .command = "host certificate set",
      .default_argument = "self",
      .examples = {{"One from your authority",
                    "ruche host certificate set --certificate host.pem --key host.key"}},
  });
  Method renew = value_of<model::HostRef, model::CertificateView>({
      .id = "certificate.renew",
      .verb = Verb::post,
      .path = "/v1/hosts/{host}/certificate/renew",
      .role = Role::administrator,
      .recorded_first = true,
      .summary = "Make a new key and a self-signed certificate for a host",
      .description = "As at its first start, with the names that it has today. Clients that trust "
                     "the old one must log in again.",
      .command = "host certificate renew",
      .default_argument = "self",
      .examples = {{"After the host was renamed", "ruche host certificate renew"}},
  });
  return {std::move(show), std::move(set), std::move(renew)};
}

}  // namespace ruche::methods
