// SPDX-License-Identifier: Apache-2.0
// Thousands of damaged and hostile .slm files. Hashes are made right again after each change, so that mutants reach the
// deep checks. Each one is either refused with file, place and reason, or harmless: whatever is accepted can be used.
#include "allocation_watch.h"
#include "exercise.h"
#include "slm_bytes.h"
#include "support/catch.h"

namespace sluice {

namespace {

struct Counts {
  int refused = 0, accepted = 0;
};

// Opens and, if that works, uses the mutant. Assertions are made only where one fails: there are many mutants.
void try_mutant(Bytes& file, Counts& counts) {
  Accountant accountant(file.size() + 4096);
  watch_allocations();
  auto opened = open_bytes(file, accountant);
  if (largest_allocation() > 8 * file.size() + 4096) FAIL("an allocation of " << largest_allocation() << " bytes");
  if (opened.ok()) {
    ++counts.accepted;
    exercise(*opened);
    return;
  }
  ++counts.refused;
  const Error& e = opened.error();
  if (e.code != Code::kBadModel || e.place != "mutant.slm" || e.offset == kNoOffset || e.message.size() < 8) {
    FAIL("a poor refusal: " << e.text());
  }
}

const TinyModel kKinds[] = {{},
                            {false, true, true, false, "q5_0"},
                            {true, true, false, true, "q4_k"},
                            {true, false, false, true, "q3_k"},
                            {false, false, false, false, "mxfp4"}};

const uint64_t kEdges[] = {0,
                           1,
                           2,
                           15,
                           127,
                           255,
                           256,
                           65535,
                           65536,
                           (1u << 24) + 1,
                           0x7fffffff,
                           0x80000000,
                           0x80000001,
                           0xffffffff - 1,
                           0xffffffff,
                           0x100000000,
                           0x100000001,
                           0x7fffffffffffffff,
                           0x8000000000000000,
                           0xfffffffffffff000,
                           ~uint64_t{0} - 1,
                           ~uint64_t{0}};

// Where the header begins and ends, and the range of its vocabulary's bucket table, which is large and all alike.
struct Region {
  size_t begin, end, buckets_begin, buckets_end;
};

Region region_of(Bytes& file) {
  const auto p = load<Preamble>(file, 0);
  const fb::Header* header = fb::GetHeader(file.data() + p.header_offset);
  const auto* buckets = header->vocab()->text_buckets();
  const size_t buckets_begin = size_t(reinterpret_cast<const std::byte*>(buckets->data()) - file.data());
  return {p.header_offset, p.header_offset + p.header_bytes, buckets_begin, buckets_begin + 4 * buckets->size()};
}

uint64_t next(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Words of the header, `step` bytes apart (`bucket_step` in the bucket table), take one in `rarity` of the edge values
// of their width, and their neighbours.
template <class T>
void sweep_words(Bytes& file, size_t step, size_t bucket_step, uint64_t rarity, Counts& counts) {
  const Region r = region_of(file);
  uint64_t state = 5;
  for (size_t at = r.begin; at + sizeof(T) <= r.end;
       at += at >= r.buckets_begin && at + bucket_step < r.buckets_end ? bucket_step : step) {
    const T before = load<T>(file, at);
    for (const uint64_t edge : kEdges) {
      if (edge > uint64_t(T(~T{0})) || T(edge) == before || next(state) % rarity != 0) continue;
      store(file, at, T(edge));
      sign(file);
      try_mutant(file, counts);
    }
    for (const T near : {T(before + 1), T(before - 1)}) {
      if (next(state) % rarity != 0) continue;
      store(file, at, near);
      sign(file);
      try_mutant(file, counts);
    }
    store(file, at, before);
  }
}

}  // namespace

TEST_CASE("no edge value in a word of a header crashes the reader or gets past its checks") {
  Bytes file = tiny_bytes(GENERATE(from_range(std::begin(kKinds), std::end(kKinds))));
  Counts counts;
  sweep_words<uint32_t>(file, 4, 16388, 32, counts);
  sweep_words<uint64_t>(file, 40, 16392, 8, counts);
  sweep_words<uint8_t>(file, 7, 16385, 16, counts);
  CHECK(counts.refused > 2500);
  CHECK(counts.accepted > 0);  // names, sampling defaults and the like may be anything
}

TEST_CASE("the whole sweep of edge values", "[.slow]") {
  Bytes file = tiny_bytes(GENERATE(from_range(std::begin(kKinds), std::end(kKinds))));
  Counts counts;
  sweep_words<uint32_t>(file, 4, 16388, 1, counts);
  sweep_words<uint64_t>(file, 4, 16392, 1, counts);
  sweep_words<uint8_t>(file, 1, 16385, 1, counts);
  CHECK(counts.refused > 100000);
}

TEST_CASE("every cut of a file is refused") {
  Bytes whole = tiny_bytes({});
  const auto p = load<Preamble>(whole, 0);
  Counts counts;
  for (int i = 0; i < 256; ++i) {
    Bytes cut(whole.begin(), whole.begin() + ptrdiff_t(whole.size() * size_t(i) / 256));
    try_mutant(cut, counts);
    // A cut header whose hash and length are right.
    Bytes shorter = whole;
    store(shorter, offsetof(Preamble, header_bytes), p.header_bytes * uint64_t(i) / 256);
    sign(shorter);
    try_mutant(shorter, counts);
  }
  CHECK(counts.accepted == 0);
}

TEST_CASE("no edge value in the preamble is believed") {
  Bytes file = tiny_bytes({});
  const Bytes before = file;
  Counts counts;
  for (size_t at = 8; at < offsetof(Preamble, preamble_hash); at += 4) {
    for (const uint64_t edge : kEdges) {
      store(file, at, edge);
      sign_preamble(file);
      if (file != before) try_mutant(file, counts);
      file = before;
    }
  }
  CHECK(counts.accepted == 0);
  CHECK(counts.refused > 200);
}

TEST_CASE("a flipped bit anywhere in preamble or header is found by the hashes") {
  Bytes file = tiny_bytes({});
  const Region r = region_of(file);
  uint64_t state = 7;
  Counts counts;
  for (int i = 0; i < 1000; ++i) {
    const size_t at = i < 512 ? size_t(i) / 8 : r.begin + next(state) % (r.end - r.begin);
    const std::byte bit{uint8_t(1u << (i % 8))};
    file[at] ^= bit;
    try_mutant(file, counts);
    file[at] ^= bit;
  }
  CHECK(counts.accepted == 0);
}

TEST_CASE("headers with exchanged and copied words are refused or harmless") {
  Bytes file = tiny_bytes({false, true, true, false, "q4_k"});
  const Region r = region_of(file);
  const auto random_word = [&](uint64_t& state) {
    for (;;) {
      const size_t at = r.begin + next(state) % (r.end - r.begin - 4) / 4 * 4;
      if (at < r.buckets_begin || at >= r.buckets_end) return at;
    }
  };
  Counts counts;
  uint64_t state = 11;
  const Bytes before = file;
  for (int i = 0; i < 4000; ++i) {
    const size_t a = random_word(state), b = random_word(state);
    const auto x = load<uint32_t>(file, a), y = load<uint32_t>(file, b);
    store(file, a, y);
    if (i % 2 == 0) store(file, b, x);
    sign(file);
    try_mutant(file, counts);
    store(file, a, x);
    store(file, b, y);
  }
  CHECK(counts.refused > 2000);
}

}  // namespace sluice
