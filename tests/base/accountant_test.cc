// SPDX-License-Identifier: Apache-2.0
#include "base/accountant.h"

#include <thread>
#include <vector>

#include "support/catch.h"

namespace sluice {

const uint64_t kPage = page_bytes();

TEST_CASE("a block is zeroed, page-aligned, and given back when it is destroyed") {
  Accountant accountant(1 << 20);
  {
    auto block = accountant.allocate(MemoryKind::kKv, 5000);
    REQUIRE(block.ok());
    CHECK(reinterpret_cast<uintptr_t>(block->data()) % kPage == 0);
    CHECK(block->size() == 5000);
    CHECK(block->as<float>().size() == 1250);
    for (std::byte b : block->as<std::byte>()) REQUIRE(b == std::byte{0});
    block->data()[4999] = std::byte{1};
    CHECK(accountant.used() == block_bytes(5000));  // whole pages are what the machine gives
    CHECK(accountant.used(MemoryKind::kKv) == block_bytes(5000));
  }
  CHECK(accountant.used() == 0);
  CHECK(accountant.peak() == block_bytes(5000));
}

TEST_CASE("a budget is reached exactly and never exceeded") {
  Accountant accountant(3 * kPage);
  auto first = accountant.allocate(MemoryKind::kWeights, 2 * kPage);
  REQUIRE(first.ok());
  auto too_much = accountant.allocate(MemoryKind::kIo, kPage + 1);
  REQUIRE_FALSE(too_much.ok());
  CHECK(too_much.error().code == Code::kNoFit);
  CHECK(too_much.error().message.find(std::to_string(2 * kPage)) != std::string::npos);  // wanted and in use
  CHECK(too_much.error().message.find(std::to_string(3 * kPage)) != std::string::npos);  // budget
  CHECK(accountant.used() == 2 * kPage);
  CHECK(accountant.allocate(MemoryKind::kIo, kPage).ok());  // fits, and is gone again at once
  CHECK(accountant.used() == 2 * kPage);
  CHECK(accountant.peak() == 3 * kPage);
  CHECK(accountant.charge(MemoryKind::kTokenizer, kPage).ok());
  CHECK(accountant.charge(MemoryKind::kTokenizer, 1).error().code == Code::kNoFit);
  accountant.release(MemoryKind::kTokenizer, kPage);
}

TEST_CASE("gigantic requests are refused without being counted") {
  Accountant unlimited(0);
  CHECK(unlimited.allocate(MemoryKind::kOther, ~uint64_t{0}).error().code == Code::kNoMemory);
  CHECK(unlimited.allocate(MemoryKind::kOther, ~uint64_t{0} - kPage + 1).error().code == Code::kNoMemory);
  CHECK(unlimited.allocate(MemoryKind::kOther, uint64_t{1} << 60).error().code == Code::kNoMemory);
  CHECK(unlimited.used() == 0);
  Accountant limited(1 << 20);
  CHECK(limited.allocate(MemoryKind::kOther, uint64_t{1} << 60).error().code == Code::kNoFit);
  CHECK(limited.charge(MemoryKind::kOther, 1).ok());
  CHECK(limited.charge(MemoryKind::kOther, ~uint64_t{0}).error().code == Code::kNoFit);  // the sum would wrap
  limited.release(MemoryKind::kOther, 1);
}

TEST_CASE("an empty block takes nothing") {
  Accountant accountant(kPage);
  auto block = accountant.allocate(MemoryKind::kOther, 0);
  REQUIRE(block.ok());
  CHECK(block->data() == nullptr);
  CHECK(accountant.used() == 0);
}

TEST_CASE("a moved block is given back once") {
  Accountant accountant(0);
  Block kept;
  {
    Block block = accountant.allocate(MemoryKind::kKv, kPage).value();
    kept = std::move(block);
    Block other = accountant.allocate(MemoryKind::kIo, kPage).value();
    kept = std::move(other);  // the first one goes
    CHECK(accountant.used(MemoryKind::kKv) == 0);
  }
  CHECK(accountant.used() == kPage);
  kept = Block();
  CHECK(accountant.used() == 0);
}

TEST_CASE("threads that allocate at the same time never exceed the budget together") {
  Accountant accountant(16 * kPage);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        auto a = accountant.allocate(MemoryKind::kIo, 5 * kPage);
        auto b = accountant.allocate(MemoryKind::kKv, 3 * kPage);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(accountant.used() == 0);
  CHECK(accountant.peak() <= 16 * kPage);
}

TEST_CASE("every kind of memory has a name of its own") {
  std::vector<std::string> names;
  for (int k = 0; k < int(MemoryKind::kCount); ++k) names.push_back(memory_kind_name(MemoryKind(k)));
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < i; ++j) CHECK(names[i] != names[j]);
  }
}

}  // namespace sluice
