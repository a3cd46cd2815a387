// Certificates and keys that only tests use, made with the openssl command. For tests only.
#pragma once

namespace ruche::net {

// ECDSA, behind a password.
inline constexpr const char* kEncryptedKey =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjJi3o36LB/XgICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIuYa4pfDX+glhPhedrcB0QEgZCx\n"
    "9GA5Lk4QXsyYH3YPnW6tHy6qFYhMyMV0j+5FVhPqotB1shebgx3CeYihoNzsrpaS\n"
    "mJxMgs0wfGL4YPZUB9qzeOevfOge1Ybukw+5ba8PgIGzUg2UB38vlrfEeKUscDfn\n"
    "ZMroZVdtHpx+pe8IeV05QFASFtbAYeA7rsi8yfLh+jFu/D0JgCN4f25NYtBc4B4=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

// RSA with 1024 bits.
inline constexpr const char* kWeakCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIB6TCCAVKgAwIBAgIBATANBgkqhkiG9w0BAQsFADAPMQ0wCwYDVQQDDAR3ZWFr\n"
    "MCAXDTI2MTEzMDAyMzAxMVoYDzIxMjYxMTA2MDIzMDExWjAPMQ0wCwYDVQQDDAR3\n"
    "ZWFrMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDbli2tpV0ZkHYRlE6MsebA\n"
    "EW0CwN1Ig9svIEBnd2j8YFHraPtrqhlfbVqjUk3wCJHKBi+ltRDCIvpUyW6iGoW5\n"
    "qSRxnedASIuuN6/cSgq/vgCT9Q//Q/jbGLe7OqnCKzAJlUa8aPHb0ovJ+Y+0ou2p\n"
    "wPXBrqWumDYLCEEW4u0KtQIDAQABo1MwUTAdBgNVHQ4EFgQUpGZGFjsag3VoKVGy\n"
    "1/8QNGlmIaswHwYDVR0jBBgwFoAUpGZGFjsag3VoKVGy1/8QNGlmIaswDwYDVR0T\n"
    "AQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOBgQBMoPMMlhYK9xdXwNXlezEsI8St\n"
    "xEtFzmBHU5flKrqRCI/bC+oRui7+dOCzIzacZAUh6FhuQk9E7Ojw64Z9FqhZ/7xy\n"
    "6n6qV1fuou5W2/s7OMI1cKc/kFq8dF/U8yoGLMH0D6l5/aZtUNgAItyO9DkDpyko\n"
    "M5Y3ENsOG0ux4imr1g==\n"
    "-----END CERTIFICATE-----\n";
inline constexpr const char* kWeakKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBANuWLa2lXRmQdhGU\n"
    "Toyx5sARbQLA3UiD2y8gQGd3aPxgUeto+2uqGV9tWqNSTfAIkcoGL6W1EMIi+lTJ\n"
    "bqIahbmpJHGd50BIi643r9xKCr++AJP1D/9D+NsYt7s6qcIrMAmVRrxo8dvSi8n5\n"
    "j7Si7anA9cGupa6YNgsIQRbi7Qq1AgMBAAECgYEAkqeYVlMM/NfooxED7R+b10dM\n"
    "IPyiTZ4Ss0S8/t1Xdsb1r13sHRn73Cny0QVVHCz9AYpkJC3rxV0LB7mIdCd2iy2T\n"
    "CnZD6Onp10O94PdRb8CKvRjJcXNkE4ij8/0XdxcYBsEgc8nhnDG/tI5WZtzTtpO7\n"
    "QD36GDsZu/SD9osJXAECQQD+rxmL8FxCrgPgYlwjknjgRYfouHMVjVhs9rpEXIlt\n"
    "Y3D/1k4DiahpWst33uSxfc6uK0H74EplhMM523AQg9eBAkEA3LimunEEfAqZr6u1\n"
    "S/g9xvzh/JsNchTEmweMOf+SkDUdOg0aMgv6KsMqGlxoYLxBdAiN5FTZM4Lzwhd+\n"
    "kJ/tNQJARpJekdhYuGFf0Z1vyqubswmRT3tM6HvyNL9pfefmbNlRRpMrqu9KK2dt\n"
    "Whn5ZPVnf/ucnR7Zfqf7MN0NgIYIAQJAS/S7Y6Oq8GjRdJO5gxg9YjH6LuzI1r5w\n"
    "3gzd48Ogk0HD+gsyPZDDmV2qKoIsZUXDnIOpGK9eQ4zIB74ADxMKFQJARM6oQlGl\n"
    "vPpfWxJrWAH/5/s2bvlB/1v7sbiWHVUbQ+J1jAdpLia1/x+WDErepR48mn/aK11r\n"
    "UNxVnqVDsJ88Hw==\n"
    "-----END PRIVATE KEY-----\n";

// Extended key usage: clientAuth alone.
inline constexpr const char* kClientCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBjzCCATSgAwIBAgIUAMZRFvG+3lNvVVmFS7CmghtKs4cwCgYIKoZIzj0EAwIw\n"
    "ETEPMA0GA1UEAwwGY2xpZW50MCAXDTI2MTEzMDAyMzAxMVoYDzIxMjYxMTA2MDIz\n"
    "MDExWjARMQ8wDQYDVQQDDAZjbGllbnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
    "AARJxixsKMhrEgvglj1htwemSDKTQ+uf9FTWRVdPcNz9RwBLDqThtcwuNTXYU7q8\n"
    "n782j4QvnucT6iDF7IBEdGmJo2gwZjAdBgNVHQ4EFgQU5P6yQnl5/rguO2qA7hiI\n"
    "oT5dGegwHwYDVR0jBBgwFoAU5P6yQnl5/rguO2qA7hiIoT5dGegwDwYDVR0TAQH/\n"
    "BAUwAwEB/zATBgNVHSUEDDAKBggrBgEFBQcDAjAKBggqhkjOPQQDAgNJADBGAiEA\n"
    "3YCrsNDcykIE0nDcrnFrP7utz5NcQ1ok8zAeBTU3ZvMCIQDkAQb0RBCvifnAwLBy\n"
    "1l+WVszxI6JGOrQ9rePTjJTGyQ==\n"
    "-----END CERTIFICATE-----\n";
inline constexpr const char* kClientKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6wBqi2r8inXqz/SM\n"
    "ZaD5NgwS8wvP95EKFonaoXZDQLmhRANCAARJxixsKMhrEgvglj1htwemSDKTQ+uf\n"
    "9FTWRVdPcNz9RwBLDqThtcwuNTXYU7q8n782j4QvnucT6iDF7IBEdGmJ\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace ruche::net
