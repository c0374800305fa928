// SPDX-License-Identifier: Apache-2.0
// Thousands of seeded mutants of valid toys. Each one is refused with file and reason, or converts to a file that the
// strict reader of .slm files accepts: the converter never writes what the runtime would refuse.
#include <cstdlib>
#include <filesystem>

#include "schema/allocation_watch.h"
#include "schema/reader.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

struct Counts {
  int refused = 0, accepted = 0;
};

// Memory instead of a disk where there is one: each accepted mutant is synced.
TemporaryFolder& folder() {
  if (std::filesystem::is_directory("/dev/shm")) setenv("TMPDIR", "/dev/shm", 0);
  static TemporaryFolder folder;
  return folder;
}

class Room {
 public:
  void try_mutant(const std::string& bytes, Counts& counts) {
    GgufBuilder::write_bytes(input_, bytes);
    watch_allocations();
    const auto report = convert_file(input_, output_);
    // A vocabulary's bucket table has 256 KiB, a read window 1 MiB.
    if (largest_allocation() > (2 << 20) + 16 * bytes.size()) FAIL("an allocation of " << largest_allocation());
    if (!report.ok()) {
      ++counts.refused;
      const Error& e = report.error();
      if (e.code != Code::kBadModel || e.place != input_ || e.message.size() < 8) FAIL("a poor refusal: " << e.text());
      if (std::filesystem::exists(output_)) FAIL("an output was left: " << e.text());
      return;
    }
    ++counts.accepted;
    Accountant accountant(0);
    const auto slm = open_slm(FileSource::open(output_).value(), accountant);
    if (!slm.ok()) FAIL("the reader refuses what the converter wrote: " << slm.error().text());
    std::filesystem::remove(output_);
  }

 private:
  std::string input_ = folder() / "m.gguf", output_ = folder() / "m.slm";
};

const uint64_t kEdges[] = {0,
                           1,
                           2,
                           3,
                           7,
                           8,
                           12,
                           13,
                           15,
                           16,
                           31,
                           32,
                           63,
                           64,
                           65,
                           127,
                           128,
                           255,
                           256,
                           320,
                           1000,
                           65535,
                           65536,
                           0x7fffffff,
                           0x80000000,
                           0xfffffffe,
                           0xffffffff,
                           0x100000000,
                           0x7fffffffffffffff,
                           0x8000000000000000,
                           ~uint64_t{0} - 31,
                           ~uint64_t{0}};

ToyOptions small(const char* architecture) {
  ToyOptions o;
  o.architecture = architecture;
  o.d_model = 32, o.n_heads = 2, o.n_kv_heads = 1, o.d_ff = 32, o.n_layers = 1, o.n_vocab = 320;
  o.chat_template = "x";
  return o;
}

}  // namespace

TEST_CASE("words of a header set to edge values are refused or harmless", "[converter][hostile]") {
  const GgufBuilder g = toy_gguf(small(GENERATE("llama", "qwen2", "gemma3")));
  const std::string whole = g.bytes();
  const size_t header = g.header().size();
  Room room;
  Counts counts;
  Rng rng(11);
  for (int i = 0; i < 1200; ++i) {
    std::string bytes = whole;
    const size_t at = rng() % header;
    const uint64_t edge = kEdges[rng() % std::size(kEdges)];
    const size_t width = size_t(1) << rng() % 4;
    memcpy(bytes.data() + at, &edge, std::min(width, bytes.size() - at));
    room.try_mutant(bytes, counts);
  }
  CHECK(counts.refused > 300);
  CHECK(counts.accepted > 0);  // a token's text may be anything
}

TEST_CASE("flipped bits, moved and doubled runs of bytes are refused or harmless", "[converter][hostile]") {
  const GgufBuilder g = toy_gguf(small(GENERATE("qwen3", "gemma3")));
  const std::string whole = g.bytes();
  const size_t header = g.header().size();
  Room room;
  Counts counts;
  Rng rng(12);
  for (int i = 0; i < 700; ++i) {
    std::string bytes = whole;
    const size_t a = rng() % header, b = rng() % header, n = 1 + rng() % 64;
    switch (i % 4) {
      case 0:
        bytes[a] = char(bytes[a] ^ (1 << rng() % 8));
        break;
      case 1:
        bytes.replace(a, n, bytes.substr(b, n));
        break;
      case 2:
        bytes.insert(a, bytes.substr(b, n));
        break;
      case 3:
        bytes.erase(a, n);
        break;
    }
    room.try_mutant(bytes, counts);
  }
  CHECK(counts.refused > 200);
}

TEST_CASE("every key with every other type is refused or harmless", "[converter][hostile]") {
  Room room;
  Counts counts;
  for (const char* architecture : {"llama", "gemma3"}) {
    const GgufBuilder whole = toy_gguf(small(architecture));
    for (const std::string& key : whole.keys()) {
      for (uint32_t type = 0; type < 13; ++type) {
        for (const bool array : {false, true}) {
          for (const char fill : {'\0', '\1', '\xff'}) {
            if (type == gguf_id::kArray && array) continue;
            GgufBuilder g = whole;
            std::string value = type == gguf_id::kText || type == gguf_id::kArray
                                    ? std::string(8, 0) + std::string(4, 0)
                                    : std::string(8, fill);
            constexpr size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
            value.resize(kBytes[type]);
            if (array) value = GgufBuilder::array_head(type, 1) + value;
            g.raw(key, array ? uint32_t(gguf_id::kArray) : type, value);
            room.try_mutant(g.bytes(), counts);
          }
        }
      }
    }
  }
  CHECK(counts.refused > 1000);
  CHECK(counts.accepted > 10);
}

}  // namespace sluice::test
