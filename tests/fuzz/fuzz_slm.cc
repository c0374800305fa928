// SPDX-License-Identifier: Apache-2.0
// libFuzzer: an input is the header of a .slm file; the preamble around it is made here, with right hashes, so that
// mutations reach the verifier and the semantic check. What is accepted is used as the runtime would use it. Starts
// from the headers of tiny models.
#include <cstring>
#include <memory>
#include <vector>

#include "base/checked.h"
#include "base/file.h"
#include "base/hash.h"
#include "exercise.h"
#include "support/temporary_folder.h"
#include "tiny_model.h"

namespace sluice {

namespace {

// Weights of the fuzzed file: enough for the chunks of the tiny models; their contents do not matter.
constexpr uint64_t kHeaderOffset = 512 << 10;

struct Image {
  Preamble preamble = {};
  const uint8_t* header;
};

bool read_image(void* user, uint64_t offset, void* out, size_t n) {
  const auto& image = *static_cast<const Image*>(user);
  auto* to = static_cast<uint8_t*>(out);
  memset(to, 0x21, n);
  if (offset == 0) memcpy(to, &image.preamble, n < sizeof image.preamble ? n : sizeof image.preamble);
  if (offset == kHeaderOffset)
    memcpy(to, image.header, n < image.preamble.header_bytes ? n : image.preamble.header_bytes);
  return true;
}

void try_header(const uint8_t* data, size_t size) {
  Image image;
  image.header = data;
  Preamble& p = image.preamble;
  memcpy(p.magic, kSlmMagic, sizeof p.magic);
  p.format_version = kSlmVersion;
  p.preamble_bytes = kPreambleBytes;
  p.header_offset = kHeaderOffset;
  p.header_bytes = size;
  p.header_hash = hash64(std::as_bytes(std::span(data, size)));
  p.file_bytes = round_up(kHeaderOffset + size, kSlmAlignment);
  // The header repeats the file's size; a fuzzer would not guess it.
  std::vector<uint8_t> fixed(data, data + size);
  flatbuffers::Verifier verifier(data, size, kMaxTableDepth, kMaxTables);
  if (size >= 8 && fb::VerifyHeaderBuffer(verifier)) {
    auto* root = reinterpret_cast<flatbuffers::Table*>(
        reinterpret_cast<uint8_t*>(flatbuffers::GetMutableRoot<fb::Header>(fixed.data())));
    root->SetField<uint64_t>(fb::Header::VT_FILE_BYTES, p.file_bytes, 0);
    image.header = fixed.data();
    p.header_hash = hash64(std::as_bytes(std::span(fixed)));
  }
  p.preamble_hash = hash64(std::as_bytes(std::span(&p, 1)).first(offsetof(Preamble, preamble_hash)));
  Accountant accountant(size + 8192);
  const auto file =
      open_slm(std::make_shared<CallbackSource>("fuzz.slm", p.file_bytes, read_image, &image), accountant);
  if (file.ok()) exercise(*file);
}

}  // namespace

// Writes the headers of tiny models into the corpus folder (the first argument), if they are not there yet.
void seed_corpus(const std::string& folder) {
  const TinyModel models[] = {{}, {false, true, true, false, "q5_0"}, {true, true, false, true, "q4_k"}};
  int number = 0;
  for (const TinyModel& model : models) {
    TemporaryFolder scratch;
    if (!write_tiny_model(scratch / "m.slm", model).ok()) continue;
    const std::string bytes = *read_small_file(scratch / "m.slm", 1 << 24);
    Preamble p;
    memcpy(&p, bytes.data(), sizeof p);
    const auto header = std::as_bytes(std::span(bytes)).subspan(p.header_offset, p.header_bytes);
    (void)write_small_file(folder + "/tiny-" + std::to_string(number++), header).ok();
  }
}

}  // namespace sluice

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc > 1 && (*argv)[1][0] != '-') sluice::seed_corpus((*argv)[1]);
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Most of a tiny header is its bucket table. Mutates a short stretch somewhere else, of unchanged length, most times.
extern "C" __attribute__((visibility("default"))) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                                                                 size_t max_size, unsigned seed) {
  flatbuffers::Verifier verifier(data, size, sluice::kMaxTableDepth, sluice::kMaxTables);
  if (seed % 8 == 0 || size < 8 || !sluice::fb::VerifyHeaderBuffer(verifier)) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  size_t table_begin = 0, table_end = 0;
  const auto* header = sluice::fb::GetHeader(data);
  if (header->vocab() != nullptr && header->vocab()->text_buckets() != nullptr) {
    table_begin = size_t(header->vocab()->text_buckets()->Data() - data);
    table_end = table_begin + 4 * size_t{header->vocab()->text_buckets()->size()};
  }
  const size_t outside = size - (table_end - table_begin);
  size_t at = seed / 8 % outside;
  if (at >= table_begin) at += table_end - table_begin;
  const size_t n = size - at < 16 ? size - at : 16;
  uint8_t window[16] = {};
  memcpy(window, data + at, n);
  LLVMFuzzerMutate(window, n, n);
  memcpy(data + at, window, n);
  return size;
}

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::try_header(data, size);
  return 0;
}
