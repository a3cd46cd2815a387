#include "base/json.hpp"

#include <gtest/gtest.h>

#include "base/json_sample_test.hpp"
#include "base/json_value.hpp"

namespace ruche::json {
namespace {

using namespace ruche::sample;

// What the refusal says, with its reason, field and remedy.
template <class T = Guest>
std::string refusal(std::string_view text, DecodeOptions options = {}) {
  const auto result = try_decode<T>(text, options);
  if (result) return "accepted";
  const Error& error = result.error();
  std::string out =
      std::string(error.reason_name()) + " | " + error.field() + " | " + error.message();
  if (!error.remedy_text().empty()) out += " | " + error.remedy_text();
  return out;
}

std::string guest_with(std::string_view members) {
  return R"({"name":"a",)" + std::string(members) + "}";
}

// --- decode --------------------------------------------------------------------------------------

TEST(JsonDecodeTest, ReadsEveryShape) {
  const auto guest = decode<Guest>(R"({
    "id": "0198c7d2-4f3a-7000-8000-0123456789AB", "name": "web1", "note": "ünïcode \u00e9\n",
    "autostart": false, "cpus": 4, "serial": -9223372036854775808, "share": 0.25, "grace_ms": 1500,
    "created": "2026-01-02T03:04:05.678Z",
    "disks": [{"name": "root", "size_bytes": 1073741824, "bus": "sata"}, {"name": "data"}],
    "tags": {"env": "prod", "a/b": "~"}, "spares": {"x": {"name": "x"}},
    "seed": {"name": "seed"}, "limit": 3, "step": {"kind": "drop-volume", "force": true},
    "links": ["web1", "0198c7d2-4f3a-7000-8000-0123456789ab", ""], "password": "hunter2",
    "extra": {"any": [1, null, "x"]}, "children": [{"name": "kid"}], "state": "running"})");
  EXPECT_EQ(to_text(guest.id), "0198c7d2-4f3a-7000-8000-0123456789ab");
  EXPECT_EQ(guest.name, "web1");
  EXPECT_EQ(guest.note, "ünïcode é\n");
  EXPECT_FALSE(guest.autostart);
  EXPECT_EQ(guest.cpus, 4);
  EXPECT_EQ(guest.serial, INT64_MIN);
  EXPECT_EQ(guest.share, 0.25);
  EXPECT_EQ(guest.grace, Duration(1500));
  EXPECT_EQ(guest.created.unix_ms, 1767323045678);
  ASSERT_EQ(guest.disks.size(), 2u);
  EXPECT_EQ(guest.disks[0].bus, Bus::sata);
  EXPECT_EQ(guest.disks[1].size, gib(1)) << "defaults of the structure";
  EXPECT_EQ(guest.tags.at("a/b"), "~");
  EXPECT_EQ(guest.spares.at("x").name, "x");
  EXPECT_EQ(guest.seed->name, "seed");
  EXPECT_EQ(guest.limit, 3);
  EXPECT_TRUE(std::get<DropVolume>(guest.step).force);
  EXPECT_EQ(guest.links.size(), 3u);
  EXPECT_EQ(guest.password.reveal(), "hunter2");
  EXPECT_EQ(guest.extra.text, R"({"any":[1,null,"x"]})");
  EXPECT_EQ(guest.children.at(0).name, "kid");
  EXPECT_EQ(guest.state, "running");
}

TEST(JsonDecodeTest, AbsentFieldsKeepTheirValue) {
  Guest guest;
  guest.name = "old";
  guest.cpus = 7;
  guest.disks.resize(3);
  ASSERT_TRUE(decode_into(type_of<Guest>(), &guest, R"({"name":"new","disks":[]})", {}));
  EXPECT_EQ(guest.name, "new");
  EXPECT_EQ(guest.cpus, 7);
  EXPECT_TRUE(guest.disks.empty());
}

TEST(JsonDecodeTest, WholeNumbersMayBeWrittenAsDoubles) {
  EXPECT_EQ(decode<Guest>(guest_with(R"("cpus":4.0)")).cpus, 4);
  EXPECT_EQ(decode<Guest>(guest_with(R"("serial":1e3)")).serial, 1000);
  EXPECT_EQ(decode<Guest>(guest_with(R"("share":1)")).share, 1.0);
}

TEST(JsonDecodeTest, NullEmptiesAnOptionalOnly) {
  EXPECT_FALSE(decode<Guest>(guest_with(R"("seed":null)")).seed);
  EXPECT_EQ(refusal(guest_with(R"("cpus":null)")),
            "wrong-type | /cpus | /cpus must be a whole number, not null");
  EXPECT_EQ(refusal(R"({"name":null})"), "wrong-type | /name | /name must be a text, not null");
}

TEST(JsonDecodeTest, SyntaxErrorsNameThePlace) {
  EXPECT_EQ(refusal("{\n \"name\": }"),
            "malformed-json |  | not valid JSON at line 2, column 10: syntax error");
  EXPECT_EQ(refusal(""), "malformed-json |  | not valid JSON at line 1, column 1: incomplete JSON");
  EXPECT_EQ(refusal("{} x"), "malformed-json |  | not valid JSON at line 1, column 4: extra data");
  EXPECT_EQ(refusal("\"\xff\"").substr(0, 14), "malformed-json");
}

TEST(JsonDecodeTest, DepthAndSizeAreLimited) {
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  EXPECT_EQ(refusal(guest_with("\"extra\":" + deep)),
            "malformed-json |  | the JSON text is nested more than 32 deep");
  EXPECT_EQ(refusal(R"({"name":"a"})", {.max_bytes = 5}),
            "too-long |  | the JSON text has 12 bytes, at most 5 are allowed");
}

TEST(JsonDecodeTest, WrongTypes) {
  EXPECT_EQ(refusal("[]"), "wrong-type |  | the value must be an object (Guest), not a list");
  EXPECT_EQ(refusal(guest_with(R"("autostart":1)")),
            "wrong-type | /autostart | /autostart must be true or false, not a number");
  EXPECT_EQ(refusal(guest_with(R"("cpus":"4")")),
            "wrong-type | /cpus | /cpus must be a whole number, not a text");
  EXPECT_EQ(refusal(guest_with(R"("cpus":1.5)")),
            "wrong-type | /cpus | /cpus must be a whole number");
  EXPECT_EQ(refusal(guest_with(R"("share":true)")),
            "wrong-type | /share | /share must be a number, not a boolean");
  EXPECT_EQ(refusal(guest_with(R"("disks":{})")),
            "wrong-type | /disks | /disks must be a list, not an object");
  EXPECT_EQ(refusal(guest_with(R"("tags":[])")),
            "wrong-type | /tags | /tags must be an object, not a list");
  EXPECT_EQ(refusal(guest_with(R"("disks":[{"name":"a"},7])")),
            "wrong-type | /disks/1 | /disks/1 must be an object (Disk), not a number");
}

TEST(JsonDecodeTest, Ranges) {
  EXPECT_EQ(refusal(guest_with(R"("disks":[{"name":"a","size_bytes":4096}])")),
            "out-of-range | /disks/0/size_bytes | /disks/0/size_bytes is out of range: "
            "4096 (4 KiB) is less than 1048576 (1 MiB)");
  EXPECT_EQ(refusal(guest_with(R"("cpus":0)")),
            "out-of-range | /cpus | /cpus is out of range: 0 is less than 1");
  EXPECT_EQ(refusal(guest_with(R"("cpus":99999)")),
            "out-of-range | /cpus | /cpus is out of range: 99999 is more than 512");
  EXPECT_EQ(refusal(guest_with(R"("serial":9223372036854775808)")),
            "out-of-range | /serial | /serial is out of range: 9223372036854775808 is too large");
  EXPECT_EQ(refusal(guest_with(R"("serial":1e300)")).substr(0, 12), "out-of-range");
  EXPECT_EQ(refusal(guest_with(R"("grace_ms":-1)")),
            "out-of-range | /grace_ms | /grace_ms is out of range: -1 is less than 0");
  EXPECT_EQ(refusal(guest_with(R"("limit":11)")),
            "out-of-range | /limit | /limit is out of range: 11 is more than 10");
  EXPECT_EQ(refusal(guest_with(R"("share":1.5)")),
            "out-of-range | /share | /share is out of range: 1.5 is more than 1");
}

TEST(JsonDecodeTest, UnknownFieldsAreRefusedWithAHint) {
  EXPECT_EQ(refusal(guest_with(R"("cpu":4)")),
            "unknown-field | /cpu | /cpu is not a field we know | Did you mean \"cpus\"?");
  EXPECT_EQ(refusal(guest_with(R"("disks":[{"name":"a","size":4}])")),
            "unknown-field | /disks/0/size | /disks/0/size is not a field we know | "
            "Did you mean \"size_bytes\"?");
  EXPECT_EQ(refusal(guest_with(R"("disks":[{"name":"a","zzz":4}])")),
            "unknown-field | /disks/0/zzz | /disks/0/zzz is not a field we know | "
            "Use one of: name, size_bytes, bus.");
  EXPECT_EQ(decode<Guest>(guest_with(R"("cpu":4)"), {.unknown_fields = UnknownFields::ignore}).cpus,
            2);
}

TEST(JsonDecodeTest, PathsAreEscaped) {
  EXPECT_EQ(refusal(guest_with(R"("tags":{"a/b~c":1})")),
            "wrong-type | /tags/a~1b~0c | /tags/a~1b~0c must be a text, not a number");
}

TEST(JsonDecodeTest, RequiredFields) {
  EXPECT_EQ(refusal("{}"), "missing-field | /name | /name is missing | Give \"name\": Name.");
  EXPECT_EQ(refusal(guest_with(R"("disks":[{}])")),
            "missing-field | /disks/0/name | /disks/0/name is missing | Give \"name\": Name.");
}

TEST(JsonDecodeTest, ReadOnlyFieldsAreForServers) {
  const DecodeOptions request{.allow_read_only = false};
  EXPECT_EQ(refusal(guest_with(R"("state":"x")"), request),
            "read-only-field | /state | /state is filled by the server only | "
            "Leave the field out.");
  EXPECT_EQ(refusal(guest_with(R"("stat":"x")"), request).find("state"), std::string::npos);
}

TEST(JsonDecodeTest, TheMarkOfASecretIsNotASecret) {
  const std::string text = guest_with(R"j("password":"(secret)")j");
  EXPECT_EQ(refusal(text, {.allow_read_only = false}).substr(0, 24), "bad-format | /password |");
  EXPECT_EQ(decode<Guest>(text).password.reveal(), kRedacted);
}

TEST(JsonDecodeTest, EnumerationsSuggest) {
  EXPECT_EQ(refusal(guest_with(R"("disks":[{"name":"a","bus":"virtio"}])")),
            "unknown-value | /disks/0/bus | /disks/0/bus is \"virtio\", which is not one of the "
            "allowed values | Did you mean \"virtio-blk\"?");
  EXPECT_EQ(refusal(guest_with(R"("disks":[{"name":"a","bus":"nvme"}])")),
            "unknown-value | /disks/0/bus | /disks/0/bus is \"nvme\", which is not one of the "
            "allowed values | Use one of: virtio-blk, sata.");
}

TEST(JsonDecodeTest, VariantsNeedTheirKind) {
  EXPECT_EQ(refusal(guest_with(R"("step":{"force":true})")),
            "missing-field | /step/kind | /step/kind is missing: it says which kind this is | "
            "Use one of: create-volume, drop-volume.");
  EXPECT_EQ(refusal(guest_with(R"("step":{"kind":"drop-volum"})")),
            "unknown-value | /step/kind | /step/kind is \"drop-volum\", which is not a kind we "
            "know | Did you mean \"drop-volume\"?");
  EXPECT_EQ(refusal(guest_with(R"("step":{"kind":"drop-volume","path":"/x"})")),
            "unknown-field | /step/path | /step/path is not a field we know | Use one of: force.");
}

TEST(JsonDecodeTest, TextsHaveFormatsAndLimits) {
  EXPECT_EQ(refusal(R"({"name":"Web 1"})"),
            "bad-name | /name | /name must be a name: 1 to 63 of a-z, 0-9 and -, not beginning "
            "with -, not \"Web 1\"");
  EXPECT_EQ(refusal(R"({"name":""})").substr(0, 8), "bad-name") << "required: empty is not enough";
  EXPECT_EQ(refusal(guest_with("\"note\":\"" + std::string(41, 'x') + "\"")),
            "too-long | /note | /note is too long: 41 bytes, at most 40 are allowed");
  EXPECT_EQ(refusal(guest_with(R"("links":["ok","No!"])")),
            "bad-format | /links/1 | /links/1 must be a name or an id, not \"No!\"");
  EXPECT_EQ(refusal(guest_with(R"("step":{"kind":"create-volume","path":"etc"})")),
            "bad-format | /step/path | /step/path must be an absolute path, not \"etc\"");
  EXPECT_EQ(refusal(guest_with(R"("step":{"kind":"create-volume","path":"/a\u0000b"})")),
            "bad-format | /step/path | /step/path must be an absolute path, not \"/a\\u0000b\"");
  EXPECT_EQ(refusal(guest_with(R"("id":"7")")),
            "bad-format | /id | /id is not a UUID such as 0198c7d2-4f3a-7000-8000-0123456789ab");
  EXPECT_EQ(refusal(guest_with(R"("created":"yesterday")")),
            "bad-format | /created | /created is not a time such as 2026-01-02T03:04:05Z "
            "(RFC 3339)");
  const std::string five = R"({"name":"a"},{"name":"a"},{"name":"a"},{"name":"a"},{"name":"a"})";
  EXPECT_EQ(refusal(guest_with("\"disks\":[" + five + "]")),
            "too-long | /disks | /disks is too long: 5 items, at most 4 are allowed");
}

TEST(JsonDecodeTest, DecodeThrowsTheSameError) { EXPECT_THROW(decode<Guest>("{}"), Error); }

TEST(JsonValueTest, ParseGivesValues) {
  EXPECT_EQ(parse(R"({"a":[1]})").at("a").at(0).as_int64(), 1);
  EXPECT_THROW(parse("{"), Error);
}

// --- formats -------------------------------------------------------------------------------------

template <int>
struct Formatted {
  std::string text;
};
#define FORMATTED(number, format_name)                                                       \
  inline auto describe(Type<Formatted<number>>) {                                            \
    return structure<Formatted<number>>(                                                     \
        "Formatted", "", field<&Formatted<number>::text>("t", "", {.format = format_name})); \
  }
FORMATTED(0, "hostname")
FORMATTED(1, "url")
FORMATTED(2, "mac")
FORMATTED(3, "ip")
FORMATTED(4, "cidr")
FORMATTED(5, "ipv4")
FORMATTED(6, "ipv6")
FORMATTED(7, "uuid")
FORMATTED(8, "date-time")
FORMATTED(9, "name")
#undef FORMATTED

template <int kNumber>
void expect_format(std::initializer_list<std::string_view> good,
                   std::initializer_list<std::string_view> bad) {
  for (const std::string_view text : good) {
    const Formatted<kNumber> object{std::string(text)};
    EXPECT_TRUE(validate(type_of<Formatted<kNumber>>(), &object)) << text;
  }
  for (const std::string_view text : bad) {
    const Formatted<kNumber> object{std::string(text)};
    EXPECT_FALSE(validate(type_of<Formatted<kNumber>>(), &object)) << text;
  }
}

TEST(JsonFormatTest, Formats) {
  const std::string label(64, 'a');
  expect_format<0>({"", "a", "web-1.example.org", "10.0.0.1", "X"},
                   {"-a", "a-", "a..b", ".", "a.", "a b", "a_b", label});
  expect_format<1>({"http://x", "https://a.b/c?d#e", "file:///x"},
                   {"http://", "://x", "x", "http://a b", "http://\xc3\xa9", "ht tp://x"});
  expect_format<2>({"52:54:00:12:34:56", "AA:bb:CC:dd:EE:ff"},
                   {"52-54-00-12-34-56", "52:54:00:12:34", "52:54:00:12:34:5g"});
  expect_format<3>({"10.0.0.1", "::1", "fe80::1"}, {"10.0.0", "10.0.0.256", "x", "::g"});
  expect_format<4>({"10.0.0.0/8", "::/0", "fd00::/128"},
                   {"10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "/8",
                    "10.0.0.0/-1", "10.0.0.0/0008"});
  expect_format<5>({"1.2.3.4"}, {"::1", "1.2.3"});
  expect_format<6>({"::1"}, {"1.2.3.4"});
  expect_format<7>({"0198c7d2-4f3a-7000-8000-0123456789ab"}, {"0198c7d2"});
  expect_format<8>({"2026-01-02T03:04:05Z"}, {"2026-01-02"});
  expect_format<9>({"a", "web1", "0-"}, {"-a", "A", "a_b", label});
}

// --- encode --------------------------------------------------------------------------------------

Guest full_guest() {
  Guest guest;
  guest.id.value.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  guest.name = "web1";
  guest.note = "a\"b\\c\n\x01é";
  guest.serial = INT64_MIN;
  guest.share = 0.1;
  guest.created.unix_ms = 1767323045678;
  guest.disks = {Disk{}, Disk{"data", gib(2), Bus::sata}};
  guest.tags = {{"env", "prod"}, {"", "empty"}};
  guest.spares = {{"x", Disk{"x", gib(3), Bus::sata}}};
  guest.seed = Disk{"seed", mib(1), Bus::sata};
  guest.limit = 7;
  guest.step = DropVolume{true};
  guest.links = {"a", "b"};
  guest.password = Secret<std::string>("hunter2");
  guest.extra.text = R"({"a":[1,2]})";
  Guest child;
  child.name = "kid";
  guest.children = {child};
  return guest;
}

TEST(JsonEncodeTest, WritesFieldsInOrderAndLeavesOutEmptyOptionals) {
  Guest guest;
  guest.name = "a";
  EXPECT_EQ(encode(guest),
            R"({"id":"00000000-0000-0000-0000-000000000000","name":"a","note":"",)"
            R"("autostart":true,"cpus":2,"serial":0,"share":0.5,"grace_ms":60000,)"
            R"("created":"1970-01-01T00:00:00.000Z","disks":[],"tags":{},"spares":{},)"
            R"("step":{"kind":"create-volume","path":"","blocks":8},"links":[],)"
            R"j("password":"(secret)","extra":null,"children":[],"state":"new"})j");
  const std::string with_nulls = encode(guest, {.omit_empty = false});
  EXPECT_NE(with_nulls.find(R"("seed":null,"limit":null)"), std::string::npos);
}

TEST(JsonEncodeTest, Pretty) {
  EXPECT_EQ(encode(std::vector<Disk>{Disk{}}, {.pretty = true}),
            "[\n  {\n    \"name\": \"root\",\n    \"size_bytes\": 1073741824,\n"
            "    \"bus\": \"virtio-blk\"\n  }\n]");
  EXPECT_EQ(encode(std::vector<Disk>{}, {.pretty = true}), "[]");
  EXPECT_EQ(encode(std::map<std::string, int>{}, {.pretty = true}), "{}");
  EXPECT_EQ(encode(std::map<std::string, int>{{"a", 1}}, {.pretty = true}), "{\n  \"a\": 1\n}");
}

TEST(JsonEncodeTest, SecretsShowOnlyWhenRevealed) {
  const Guest guest = full_guest();
  EXPECT_EQ(encode(guest).find("hunter2"), std::string::npos);
  EXPECT_NE(encode(guest, {.reveal_secrets = true}).find("hunter2"), std::string::npos);
}

TEST(JsonEncodeTest, WhatIsWrittenReadsBackEqual) {
  const Guest guest = full_guest();
  for (const bool pretty : {false, true}) {
    const auto text = encode(guest, {.pretty = pretty, .reveal_secrets = true});
    const auto back = try_decode<Guest>(text);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, guest);
  }
}

TEST(JsonEncodeTest, QuoteIsAlwaysValidJson) {
  EXPECT_EQ(quote("a\"b\\c\n\r\t\x01\x7f"), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\"");
  EXPECT_EQ(quote("é €😀"), "\"é €😀\"");
  EXPECT_EQ(quote("x\xff\xc3(\xed\xa0\x80 \xf4\x90\x80\x80\xc0\xaf\xe2\x82"),
            "\"x\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
            "\xef\xbf\xbd\xef\xbf\xbd\"");
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = {static_cast<char>(byte), 'x'};
    EXPECT_TRUE(try_decode<std::string>(quote(text))) << byte;
  }
  EXPECT_EQ(quote(""), "\"\"");
}

TEST(JsonEncodeTest, NumbersAreExact) {
  EXPECT_EQ(encode(0.1), "0.1");
  EXPECT_EQ(encode(1e300), "1e+300");
  EXPECT_EQ(encode(-0.0), "0");
  EXPECT_EQ(encode(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(decode<double>("1e+300"), 1e300);
  EXPECT_EQ(encode(std::int64_t{INT64_MAX}), "9223372036854775807");
}

// --- validate ------------------------------------------------------------------------------------

std::string invalid(const Guest& guest) {
  const auto result = validate(type_of<Guest>(), &guest);
  if (result) return "valid";
  return std::string(result.error().reason_name()) + " " + result.error().field();
}

TEST(JsonValidateTest, FindsTheSameFaultsAsDecode) {
  EXPECT_EQ(invalid(full_guest()), "valid");
  Guest guest = full_guest();
  guest.cpus = 0;
  EXPECT_EQ(invalid(guest), "out-of-range /cpus");
  guest = full_guest();
  guest.disks[1].name = "No";
  EXPECT_EQ(invalid(guest), "bad-name /disks/1/name");
  guest = full_guest();
  guest.spares["x"].size = Bytes{1};
  EXPECT_EQ(invalid(guest), "out-of-range /spares/x/size_bytes");
  guest = full_guest();
  guest.step = CreateVolume{"relative", 8};
  EXPECT_EQ(invalid(guest), "bad-format /step/path");
  guest = full_guest();
  guest.disks[0].bus = static_cast<Bus>(9);
  EXPECT_EQ(invalid(guest), "unknown-value /disks/0/bus");
  guest = full_guest();
  guest.limit = 0;
  EXPECT_EQ(invalid(guest), "out-of-range /limit");
  guest = full_guest();
  guest.name.clear();
  EXPECT_EQ(invalid(guest), "bad-name /name");
  guest = full_guest();
  guest.children[0].cpus = 0;
  EXPECT_EQ(invalid(guest), "out-of-range /children/0/cpus");
}

// --- merge patch ---------------------------------------------------------------------------------

std::string patch(Guest& guest, std::string_view text, DecodeOptions options = {}) {
  const auto result = merge_patch_into(type_of<Guest>(), &guest, text, options);
  if (result) return "ok";
  return std::string(result.error().reason_name()) + " " + result.error().field();
}

TEST(JsonPatchTest, ChangesWhatIsNamedOnly) {
  Guest guest = full_guest();
  EXPECT_EQ(patch(guest, R"({"cpus":8,"seed":{"size_bytes":2097152},
                             "tags":{"env":null,"new":"x"}})"),
            "ok");
  Guest expected = full_guest();
  expected.cpus = 8;
  expected.seed->size = mib(2);
  expected.tags = {{"", "empty"}, {"new", "x"}};
  EXPECT_EQ(guest, expected);
}

TEST(JsonPatchTest, NullClearsResetsAndRefuses) {
  Guest guest = full_guest();
  guest.cpus = 8;
  EXPECT_EQ(patch(guest, R"({"seed":null,"limit":null,"cpus":null,"disks":null,"state":null})"),
            "ok");
  EXPECT_FALSE(guest.seed);
  EXPECT_FALSE(guest.limit);
  EXPECT_EQ(guest.cpus, 2) << "the structure's default, not the type's";
  EXPECT_TRUE(guest.disks.empty());
  EXPECT_EQ(guest.state, "new");
  EXPECT_EQ(patch(guest, R"({"name":null})"), "missing-field /name");
}

TEST(JsonPatchTest, ListsAreReplacedAndMapsMerged) {
  Guest guest = full_guest();
  EXPECT_EQ(patch(guest, R"({"disks":[{"name":"one"}],"spares":{"x":{"bus":"virtio-blk"},
                             "y":{"name":"y"},"gone":null}})"),
            "ok");
  ASSERT_EQ(guest.disks.size(), 1u);
  EXPECT_EQ(guest.disks[0], (Disk{"one", gib(1), Bus::virtio_blk}));
  EXPECT_EQ(guest.spares.at("x"), (Disk{"x", gib(3), Bus::virtio_blk}));
  EXPECT_EQ(guest.spares.at("y"), (Disk{"y", gib(1), Bus::virtio_blk}));
  EXPECT_EQ(patch(guest, R"({"spares":{"z":{"bus":"sata"}}})"), "missing-field /spares/z/name");
}

TEST(JsonPatchTest, WhatIsNewMustBeWholeAndNullsInItMeanAbsent) {
  Guest guest;
  guest.name = "a";
  EXPECT_EQ(patch(guest, R"({"seed":{"bus":"sata"}})"), "missing-field /seed/name");
  EXPECT_EQ(patch(guest, R"({"seed":{"name":null}})"), "missing-field /seed/name");
  EXPECT_EQ(patch(guest, R"({"seed":{"name":"s","bus":null}})"), "ok");
  EXPECT_EQ(guest.seed->name, "s");
}

TEST(JsonPatchTest, VariantsArePatchedInPlaceUnlessTheKindChanges) {
  Guest guest;
  guest.name = "a";
  guest.step = CreateVolume{"/x", 5};
  EXPECT_EQ(patch(guest, R"({"step":{"blocks":6}})"), "ok");
  EXPECT_EQ(std::get<CreateVolume>(guest.step), (CreateVolume{"/x", 6}));
  EXPECT_EQ(patch(guest, R"({"step":{"kind":"create-volume","path":"/y"}})"), "ok");
  EXPECT_EQ(std::get<CreateVolume>(guest.step), (CreateVolume{"/y", 6}));
  EXPECT_EQ(patch(guest, R"({"step":{"kind":"drop-volume"}})"), "ok");
  EXPECT_EQ(guest.step, Step(DropVolume{false}));
  EXPECT_EQ(patch(guest, R"({"step":{"kind":"x"}})"), "unknown-value /step/kind");
}

TEST(JsonPatchTest, RefusesLikeDecode) {
  Guest guest = full_guest();
  EXPECT_EQ(patch(guest, "[]"), "wrong-type ");
  EXPECT_EQ(patch(guest, R"({"cpus":0})"), "out-of-range /cpus");
  EXPECT_EQ(patch(guest, R"({"cpu":1})"), "unknown-field /cpu");
  EXPECT_EQ(patch(guest, R"({"state":"x"})", {.allow_read_only = false}), "read-only-field /state");
  EXPECT_EQ(patch(guest, R"j({"password":"(secret)"})j", {.allow_read_only = false}),
            "bad-format /password");
  EXPECT_EQ(patch(guest, R"({"seed":{"size_bytes":1}})"), "out-of-range /seed/size_bytes");
}

// The examples of RFC 7396, appendix A, that a described type can express.
TEST(JsonPatchTest, AnEmptyPatchChangesNothing) {
  Guest guest = full_guest();
  EXPECT_EQ(patch(guest, "{}"), "ok");
  EXPECT_EQ(guest, full_guest());
}

// --- differences ---------------------------------------------------------------------------------

std::string changes(const Guest& before, const Guest& after) {
  std::string out;
  for (const Difference& change : differences(type_of<Guest>(), &before, &after)) {
    out += change.path + ": [" + change.before + "] -> [" + change.after + "]\n";
  }
  return out;
}

TEST(JsonDifferencesTest, EqualObjectsHaveNone) {
  EXPECT_EQ(changes(full_guest(), full_guest()), "");
}

TEST(JsonDifferencesTest, LeavesWithTheirPaths) {
  Guest after = full_guest();
  after.cpus = 8;
  after.autostart = false;
  after.disks[1].bus = Bus::virtio_blk;
  after.disks.push_back(Disk{"new", gib(1), Bus::sata});
  after.tags = {{"env", "test"}};
  after.seed.reset();
  after.step = CreateVolume{"/x", 1};
  after.password = Secret<std::string>("other");
  after.share = 1;
  EXPECT_EQ(changes(full_guest(), after),
            "/autostart: [true] -> [false]\n"
            "/cpus: [2] -> [8]\n"
            "/share: [0.1] -> [1]\n"
            "/disks/1/bus: [sata] -> [virtio-blk]\n"
            "/disks/2: [] -> [{\"name\":\"new\",\"size_bytes\":1073741824,\"bus\":\"sata\"}]\n"
            "/tags/: [empty] -> []\n"
            "/tags/env: [prod] -> [test]\n"
            "/seed: [{\"name\":\"seed\",\"size_bytes\":1048576,\"bus\":\"sata\"}] -> []\n"
            "/step: [{\"kind\":\"drop-volume\",\"force\":true}] -> "
            "[{\"kind\":\"create-volume\",\"path\":\"/x\",\"blocks\":1}]\n"
            "/password: [] -> [changed]\n");
}

// --- schema --------------------------------------------------------------------------------------

TEST(JsonSchemaTest, NamedTypesBecomeReferences) {
  std::map<std::string, std::string> schemas;
  EXPECT_EQ(schema(type_of<Guest>(), schemas), R"({"$ref":"#/components/schemas/Guest"})");
  std::vector<std::string> names;
  for (const auto& [name, text] : schemas) {
    names.push_back(name);
    EXPECT_NO_THROW(parse(text)) << name << ": " << text;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"Bus", "CreateVolume", "CreateVolumeChoice", "Disk",
                                             "DropVolume", "DropVolumeChoice", "Guest"}));
  EXPECT_EQ(schemas["Disk"],
            R"({"type":"object","description":"A virtual disk.","properties":{)"
            R"("name":{"type":"string","pattern":"^[a-z0-9][a-z0-9-]{0,62}$",)"
            R"("description":"Name."},)"
            R"("size_bytes":{"type":"integer","format":"int64","minimum":1048576,)"
            R"("description":"Capacity.","examples":[10737418240]},)"
            R"("bus":{"$ref":"#/components/schemas/Bus","description":"Device model."}},)"
            R"("required":["name"]})");
  EXPECT_EQ(schemas["Bus"], R"({"type":"string","description":"Device model.\n`virtio-blk`: Fast.)"
                            R"(\n`sata`: Old.","enum":["virtio-blk","sata"]})");
  EXPECT_EQ(schemas["DropVolumeChoice"],
            R"({"allOf":[{"$ref":"#/components/schemas/DropVolume"},{"type":"object",)"
            R"("properties":{"kind":{"const":"drop-volume"}},"required":["kind"]}]})");
}

TEST(JsonSchemaTest, MembersSayTheirLimits) {
  std::map<std::string, std::string> schemas;
  schema(type_of<Guest>(), schemas);
  const Value guest = parse(schemas["Guest"]);
  const auto member = [&](std::string_view name) {
    return boost::json::serialize(guest.at("properties").at(name));
  };
  EXPECT_EQ(member("id"), R"({"type":"string","format":"uuid","description":"Id."})");
  EXPECT_EQ(member("cpus"), R"({"type":"integer","format":"int32","minimum":1,"maximum":512,)"
                            R"("description":"Virtual CPUs."})");
  EXPECT_EQ(member("disks"),
            R"({"type":"array","items":{"$ref":"#/components/schemas/Disk"},"maxItems":4,)"
            R"("description":"Disks."})");
  EXPECT_EQ(member("tags"),
            R"({"type":"object","additionalProperties":{"type":"string"},"description":"Tags."})");
  EXPECT_EQ(member("limit"), R"({"type":"integer","format":"int64","minimum":1,"maximum":10,)"
                             R"("description":"Limit."})");
  EXPECT_EQ(member("step"),
            R"({"oneOf":[{"$ref":"#/components/schemas/CreateVolumeChoice"},)"
            R"({"$ref":"#/components/schemas/DropVolumeChoice"}],"discriminator":{"propertyName":)"
            R"("kind","mapping":{"create-volume":"#/components/schemas/CreateVolumeChoice",)"
            R"("drop-volume":"#/components/schemas/DropVolumeChoice"}},)"
            R"("description":"Next step."})");
  EXPECT_EQ(member("password"),
            R"({"type":"string","format":"password","description":"Password."})");
  EXPECT_EQ(member("extra"), R"({"description":"Anything."})");
  EXPECT_EQ(member("state"), R"({"type":"string","description":"State.","readOnly":true})");
  EXPECT_EQ(member("share"),
            R"({"type":"number","minimum":0,"maximum":1,"description":"Share of a CPU."})");
  EXPECT_EQ(member("created"), R"({"type":"string","format":"date-time","description":"When."})");
}

TEST(JsonSchemaTest, UnnamedTypesAreWrittenOut) {
  std::map<std::string, std::string> schemas;
  EXPECT_EQ(schema(type_of<std::vector<std::string>>(), schemas),
            R"({"type":"array","items":{"type":"string"}})");
  EXPECT_EQ(schema(type_of<Bytes>(), schemas),
            R"({"type":"integer","format":"int64","minimum":0})");
  EXPECT_TRUE(schemas.empty());
}

}  // namespace
}  // namespace ruche::json
