// SPDX-License-Identifier: Apache-2.0
#include "base/source.h"

#include <cstring>

#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {

namespace {

std::string read(const ByteSource& source, uint64_t offset, size_t n) {
  std::string out(n, '?');
  const Status status = source.read_at(offset, std::as_writable_bytes(std::span(out)));
  return status.ok() ? out : "error " + std::to_string(int(status.error().code));
}

const std::string kBad = "error " + std::to_string(int(Code::kBadModel));

}  // namespace

TEST_CASE("a part of a file is read by its own offsets and ends where it ends") {
  TemporaryFolder folder;
  const std::string text = "..0123456789....";
  REQUIRE(write_small_file(folder / "f", std::as_bytes(std::span(text))).ok());
  const auto open = [&] { return InputFile::open(folder / "f").value(); };
  const auto part = FileSource::part(open(), 2, 10);
  REQUIRE(part.ok());
  CHECK((*part)->size() == 10);
  CHECK(read(**part, 0, 10) == "0123456789");
  CHECK(read(**part, 9, 1) == "9");
  CHECK(read(**part, 10, 0).empty());
  CHECK(read(**part, 9, 2) == kBad);  // the file goes on, the part does not
  CHECK(read(**part, ~uint64_t{0}, 2) == kBad);
  CHECK(FileSource::part(open(), 6, 10).ok());
  CHECK(FileSource::part(open(), 7, 10).error().code == Code::kBadModel);
  CHECK(FileSource::part(open(), 17, 0).error().code == Code::kBadModel);
  CHECK(FileSource::part(open(), ~uint64_t{0}, 2).error().code == Code::kBadModel);
}

TEST_CASE("a callback is never asked for bytes outside its size, and its failure is an error") {
  struct State {
    std::string text = "0123456789";
    bool broken = false;
  } state;
  const CallbackSource source(
      "memory", 10,
      [](void* user, uint64_t offset, void* out, size_t n) {
        const State& s = *static_cast<State*>(user);
        if (s.broken || offset + n > s.text.size()) return false;
        memcpy(out, s.text.data() + offset, n);
        return true;
      },
      &state);
  CHECK(read(source, 3, 4) == "3456");
  CHECK(read(source, 8, 3) == kBad);
  state.broken = true;
  CHECK(read(source, 3, 4) == "error " + std::to_string(int(Code::kFailed)));
  CHECK(read(source, 3, 0).empty());
}

}  // namespace sluice
