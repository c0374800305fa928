// SPDX-License-Identifier: Apache-2.0
// What the writer writes, the reader accepts and gives back.
#include <vector>

#include "base/hash.h"
#include "schema/reader.h"
#include "schema/tile.h"
#include "support/catch.h"
#include "support/temporary_folder.h"
#include "tiny_model.h"

namespace sluice {

namespace {

SlmFile open_or_fail(const std::string& path, Accountant& accountant) {
  auto source = FileSource::open(path);
  REQUIRE(source.ok());
  auto file = open_slm(*source, accountant);
  INFO((file.ok() ? std::string("opened") : file.error().text()));
  REQUIRE(file.ok());
  return std::move(file).value();
}

}  // namespace

TEST_CASE("every kind of tiny model opens and all its chunks have the right hash") {
  TemporaryFolder folder;
  const bool tied = GENERATE(false, true), experts = GENERATE(false, true), head_order = GENERATE(false, true);
  const bool planes = GENERATE(false, true);
  const char* matrix = GENERATE("q4_k", "q5_0", "q8_0", "bf16", "iq4_nl");
  Status written = write_tiny_model(folder / "m.slm", {tied, experts, head_order, planes, matrix});
  REQUIRE(written.ok());
  Accountant accountant(0);
  SlmFile file = open_or_fail(folder / "m.slm", accountant);
  CHECK(accountant.used(MemoryKind::kHeader) >= file.preamble().header_bytes);
  CHECK(size_of(file.header()->head_row_order()) == (head_order ? 300u : 0u));
  for (uint32_t c = 0; c < file.header()->chunks()->size(); ++c) {
    std::vector<std::byte> bytes(file.header()->chunks()->Get(c)->bytes());
    CHECK(file.read_chunk(c, bytes).ok());
    bytes.back() ^= std::byte{1};
    CHECK(verify_chunk(file, c, bytes).error().code == Code::kBadModel);
  }
}

TEST_CASE("a file with a vocabulary and nothing else opens") {
  TemporaryFolder folder;
  fb::HeaderT header;
  header.layout = "packed";
  header.vocab = tiny_vocab();
  SlmWriter writer;
  REQUIRE(writer.start(folder / "v.slm", 0).ok());
  REQUIRE(writer.finish(std::move(header)).ok());
  Accountant accountant(0);
  SlmFile file = open_or_fail(folder / "v.slm", accountant);
  CHECK(file.header()->config() == nullptr);
  CHECK(file.header()->vocab()->bos() == 297);
}

TEST_CASE("a model opens at any offset of another file and through a callback") {
  TemporaryFolder folder;
  REQUIRE(write_tiny_model(folder / "m.slm").ok());
  std::string bytes = *read_small_file(folder / "m.slm", 1 << 24);
  const std::string inside = std::string(1237, 'x') + bytes + std::string(99, 'y');
  REQUIRE(write_small_file(folder / "app.zip", std::as_bytes(std::span(inside))).ok());
  Accountant accountant(0);
  auto part = FileSource::part(InputFile::open(folder / "app.zip").value(), 1237, bytes.size());
  REQUIRE(part.ok());
  CHECK(open_slm(*part, accountant).ok());

  const auto read = [](void* user, uint64_t offset, void* out, size_t n) {
    static_cast<std::string*>(user)->copy(static_cast<char*>(out), n, offset);
    return true;
  };
  CHECK(open_slm(std::make_shared<CallbackSource>("memory", bytes.size(), read, &bytes), accountant).ok());
}

}  // namespace sluice
