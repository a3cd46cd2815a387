// The text of HTTP/1.1 heads and chunks, shared by server and client (RFC 9112).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.hpp"

namespace ruche::net {

// Appends the fields except those that frame the message (Content-Length, Transfer-Encoding,
// Connection), which are this room's business. A field with a line end or another control character
// would split the message: throws Error(internal_error).
void append_fields(std::string& head, const Headers& headers);
void append_field(std::string& head, std::string_view name, std::string_view value);

std::string chunk_start(std::size_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace ruche::net
