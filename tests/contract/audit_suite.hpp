// What every audit log keeps: a typed suite over a harness with open(), run() and tamper().
#pragma once

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "ports/audit.hpp"

namespace ruche::contract {

// Harness: log(), run(Async<T>) → T, and ways to damage the log behind its back: change(sequence),
// drop_last(), drop(sequence).
template <class Harness>
class AuditContract : public testing::Test {
 protected:
  ports::AuditItem item(std::int64_t number, std::string object = {}) {
    ports::AuditItem made;
    made.id.bytes[15] = static_cast<std::uint8_t>(number);
    made.time = {1000 * number};
    made.object_id = std::move(object);
    made.json = R"({"number":)" + std::to_string(number) + '}';
    return made;
  }
  ports::AuditMark append(std::vector<ports::AuditItem> items) {
    return harness_.run(harness_.log().append(std::move(items)));
  }
  std::vector<std::int64_t> numbers(ports::AuditQuery query) {
    std::vector<std::int64_t> found;
    for (const auto& entry : harness_.run(harness_.log().query(std::move(query)))) {
      found.push_back(entry.sequence);
    }
    return found;
  }
  std::string problem(ports::AuditMark known = {}) {
    return harness_.run(harness_.log().verify(std::move(known))).problem;
  }
  std::size_t prune(std::int64_t before_ms) {
    return harness_.run(harness_.log().prune({before_ms}, [](ports::AuditMark cut) {
      ports::AuditItem note;
      note.id.bytes[0] = 0xff;
      note.time = {1'000'000};
      note.json = json::encode(ports::prune_record(std::move(cut)));
      return note;
    }));
  }
  // Ten records, and the last one's mark.
  ports::AuditMark fill() {
    ports::AuditMark mark;
    for (int n = 1; n <= 10; ++n) mark = append({item(n, n % 2 == 0 ? "even" : "odd")});
    return mark;
  }

  Harness harness_;
};
TYPED_TEST_SUITE_P(AuditContract);

TYPED_TEST_P(AuditContract, RecordsComeBackNewestFirstAndByObject) {
  this->fill();
  EXPECT_THAT(this->numbers({.limit = 3}), testing::ElementsAre(10, 9, 8));
  EXPECT_THAT(this->numbers({.before = 3}), testing::ElementsAre(2, 1));
  EXPECT_THAT(this->numbers({.object_id = "even", .limit = 2}), testing::ElementsAre(10, 8));
}

TYPED_TEST_P(AuditContract, WhatIsThereIsNotAppendedAgain) {
  const auto first = this->append({this->item(1), this->item(2)});
  const auto second = this->append({this->item(2), this->item(1)});
  EXPECT_EQ(first, second);
  EXPECT_EQ(this->append({this->item(2), this->item(3)}).sequence, 3);
  EXPECT_EQ(this->problem(), "");
}

TYPED_TEST_P(AuditContract, AnIntactLogVerifiesUpToWhatIsRemembered) {
  EXPECT_EQ(this->problem(), "");
  const auto mark = this->fill();
  EXPECT_EQ(this->problem(mark), "");
  const auto verdict = this->harness_.run(this->harness_.log().verify({}));
  EXPECT_EQ(verdict.records, 10);
  EXPECT_EQ(verdict.end, mark);
}

TYPED_TEST_P(AuditContract, AChangedRecordShows) {
  this->fill();
  this->harness_.change(4);
  EXPECT_THAT(this->problem(), testing::HasSubstr("record 4 is not what was written"));
}

TYPED_TEST_P(AuditContract, AMissingRecordShows) {
  this->fill();
  this->harness_.drop(7);
  EXPECT_THAT(this->problem(), testing::HasSubstr("record 7 is missing"));
}

TYPED_TEST_P(AuditContract, AShortenedLogShowsBecauseTheStoreRemembers) {
  const auto mark = this->fill();
  this->harness_.drop(10);
  EXPECT_EQ(this->problem(), "");
  EXPECT_THAT(this->problem(mark), testing::HasSubstr("the state store remembers record 10"));
}

TYPED_TEST_P(AuditContract, APrunedLogVerifiesAndTellsOfIt) {
  const auto mark = this->fill();
  EXPECT_EQ(this->prune(5001), 5u);
  EXPECT_THAT(this->numbers({}), testing::ElementsAre(11, 10, 9, 8, 7, 6));
  EXPECT_EQ(this->problem(mark), "");
  EXPECT_EQ(this->prune(5001), 0u);
  EXPECT_EQ(this->append({this->item(11)}).sequence, 12);
  EXPECT_EQ(this->problem(), "");
}

TYPED_TEST_P(AuditContract, TheLastRecordIsNeverPruned) {
  this->fill();
  EXPECT_EQ(this->prune(100'000), 9u);
  EXPECT_THAT(this->numbers({}), testing::ElementsAre(11, 10));
  EXPECT_EQ(this->problem(), "");
}

TYPED_TEST_P(AuditContract, CuttingTheBeginningByHandShows) {
  this->fill();
  this->harness_.drop(1);
  EXPECT_THAT(this->problem(), testing::HasSubstr("record 1 is missing"));
}

REGISTER_TYPED_TEST_SUITE_P(AuditContract, RecordsComeBackNewestFirstAndByObject,
                            WhatIsThereIsNotAppendedAgain, AnIntactLogVerifiesUpToWhatIsRemembered,
                            AChangedRecordShows, AMissingRecordShows,
                            AShortenedLogShowsBecauseTheStoreRemembers,
                            APrunedLogVerifiesAndTellsOfIt, TheLastRecordIsNeverPruned,
                            CuttingTheBeginningByHandShows);

}  // namespace ruche::contract
