// SPDX-License-Identifier: Apache-2.0
#include "base/accountant.h"

#include <sys/mman.h>

#include <cstring>
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

namespace {

// By page of the block: whether the system has memory for it.
std::vector<bool> in_memory(const Block& block) {
  std::vector<unsigned char> pages((block.size() + kPage - 1) / kPage);
  REQUIRE(mincore(block.data(), block.size(), pages.data()) == 0);
  std::vector<bool> resident;
  for (unsigned char page : pages) resident.push_back(page & 1);
  return resident;
}

}  // namespace

TEST_CASE("pages that are not kept go back to the system, and come back as zeros") {
  const size_t n = GENERATE(size_t{64}, size_t{4096});  // with huge pages, where there are any, and without
  Accountant accountant((n + 1) * kPage);
  auto block = accountant.allocate(MemoryKind::kWeights, n * kPage);
  REQUIRE(block.ok());
  std::memset(block->data(), 7, block->size());
  const std::vector<ByteRange> parts = {{3 * kPage + 5, 3 * kPage + 9},
                                        {3 * kPage + 100, 5 * kPage + 1},
                                        {9 * kPage, 9 * kPage},
                                        {11 * kPage, 20 * kPage}};
  const auto kept = [](size_t page) { return (page >= 3 && page < 6) || (page >= 11 && page < 20); };
  CHECK(touched_bytes(parts) == 12 * kPage);
  REQUIRE(block->keep(parts).ok());
  CHECK(block->held() == 12 * kPage);
  CHECK(accountant.used() == 12 * kPage);
  const std::vector<bool> resident = in_memory(*block);
  for (size_t page = 0; page < n; ++page) CHECK(resident[page] == kept(page));
  // Taken again: charged, zeroed where it was given up, and what was kept is as it was.
  auto other = accountant.allocate(MemoryKind::kIo, (n - 20) * kPage);
  REQUIRE(other.ok());
  const ByteRange all{0, n * kPage};
  const Status refused = block->keep({&all, 1});
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Code::kNoFit);
  CHECK(block->held() == 12 * kPage);
  *other = Block();
  REQUIRE(block->keep({&all, 1}).ok());
  CHECK(accountant.used() == n * kPage);
  for (size_t page = 0; page < n; ++page) CHECK(block->data()[page * kPage + 7] == std::byte(kept(page) ? 7 : 0));
  REQUIRE(block->keep({}).ok());
  CHECK(accountant.used() == 0);
  *block = Block();
  CHECK(accountant.used() == 0);
}

TEST_CASE("a budget can be changed to anything that is not below what is in use") {
  Accountant accountant(10 * kPage);
  Block large = accountant.allocate(MemoryKind::kKv, 8 * kPage).value();
  large = Block();
  Block small = accountant.allocate(MemoryKind::kKv, 3 * kPage).value();
  CHECK(accountant.peak() == 8 * kPage);
  const Status refused = accountant.set_budget(3 * kPage - 1);
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Code::kNoFit);
  CHECK(accountant.budget() == 10 * kPage);
  CHECK(accountant.peak() == 8 * kPage);
  REQUIRE(accountant.set_budget(3 * kPage).ok());
  CHECK(accountant.peak() == 3 * kPage);
  CHECK(accountant.allocate(MemoryKind::kIo, 1).error().code == Code::kNoFit);
  REQUIRE(accountant.set_budget(4 * kPage).ok());
  CHECK(accountant.allocate(MemoryKind::kIo, 1).ok());
}

TEST_CASE("every kind of memory has a name of its own") {
  std::vector<std::string> names;
  for (int k = 0; k < int(MemoryKind::kCount); ++k) names.push_back(memory_kind_name(MemoryKind(k)));
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < i; ++j) CHECK(names[i] != names[j]);
  }
}

}  // namespace sluice
