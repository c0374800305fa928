// SPDX-License-Identifier: Apache-2.0
// libFuzzer: an input is a GGUF file up to its weights; weights are appended here. It goes through the whole
// conversion, and what converts must be accepted by the reader of .slm files. Mutations know the structure: keys and
// tensors are removed, doubled, exchanged or changed inside, and the counts stay right, so that they reach the deep
// checks. Starts from one toy of each family and kind of vocabulary.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "schema/reader.h"
#include "sluice/convert.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace sluice::test {

namespace {

constexpr size_t kWeights = 64 << 10;
constexpr size_t kFixed = 24;  // magic, version, counts

// The output folder, in memory if possible, and the input as a file without a name.
struct Place {
  TemporaryFolder folder;
  int fd = memfd_create("fuzz.gguf", 0);
  std::string input = "/proc/self/fd/" + std::to_string(fd), output = folder / "out.slm";
};
Place& place() {
  setenv("TMPDIR", "/dev/shm", 0);
  static Place place;
  return place;
}

void try_file(const uint8_t* data, size_t size) {
  Place& at = place();
  static const std::string weights(kWeights, '!');
  if (ftruncate(at.fd, 0) != 0 || pwrite(at.fd, data, size, 0) != ssize_t(size) ||
      pwrite(at.fd, weights.data(), weights.size(), off_t(size)) != ssize_t(weights.size())) {
    abort();
  }
  const auto report = convert_file(at.input, at.output);
  if (!report.ok()) {
    if (report.error().code != Code::kBadModel || report.error().message.empty()) abort();
    return;
  }
  Accountant accountant(0);
  const auto slm = open_slm(FileSource::open(at.output).value(), accountant);
  if (!slm.ok()) {
    fprintf(stderr, "the reader refuses what the converter wrote: %s\n", slm.error().text().c_str());
    abort();
  }
  unlink(at.output.c_str());
}

// ---- structure ---------------------------------------------------------------------------------------------------

struct Pieces {
  std::vector<std::string> keys, tensors;
};

// Cuts a well-formed header into its entries; false where it is not well-formed.
class Cutter {
 public:
  Cutter(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool cut(Pieces& out) {
    if (size_ < kFixed) return false;
    at_ = kFixed;
    const uint64_t n_tensors = load<uint64_t>(8), n_keys = load<uint64_t>(16);
    if (n_tensors > 1000 || n_keys > 1000) return false;
    for (uint64_t i = 0; i < n_keys; ++i) {
      const size_t begin = at_;
      if (!text() || !value()) return false;
      out.keys.emplace_back(reinterpret_cast<const char*>(data_) + begin, at_ - begin);
    }
    for (uint64_t i = 0; i < n_tensors; ++i) {
      const size_t begin = at_;
      if (!text() || !room(4)) return false;
      const uint64_t n_dims = load<uint32_t>(at_);
      if (n_dims > 8 || !skip(4 + 8 * n_dims + 4 + 8)) return false;
      out.tensors.emplace_back(reinterpret_cast<const char*>(data_) + begin, at_ - begin);
    }
    return true;
  }

 private:
  template <class T>
  T load(size_t at) const {
    T v;
    memcpy(&v, data_ + at, sizeof v);
    return v;
  }
  bool room(uint64_t n) const { return n <= size_ - at_; }
  bool skip(uint64_t n) { return room(n) && (at_ += n, true); }
  bool text() {
    if (!room(8)) return false;
    const uint64_t n = load<uint64_t>(at_);
    return skip(8) && skip(n);
  }
  bool value() {
    if (!room(4)) return false;
    uint32_t type = load<uint32_t>(at_);
    at_ += 4;
    uint64_t count = 1;
    if (type == gguf_id::kArray) {
      if (!room(12)) return false;
      type = load<uint32_t>(at_), count = load<uint64_t>(at_ + 4);
      at_ += 12;
    }
    constexpr uint8_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type >= sizeof kBytes || type == gguf_id::kArray || count > size_) return false;
    if (type != gguf_id::kText) return skip(count * kBytes[type]);
    for (uint64_t i = 0; i < count; ++i) {
      if (!text()) return false;
    }
    return true;
  }

  const uint8_t* data_;
  size_t size_, at_ = 0;
};

void mutate_list(std::vector<std::string>& list, Rng& rng) {
  if (list.empty()) return;
  const size_t a = rng() % list.size(), b = rng() % list.size();
  switch (rng() % 8) {
    case 0:
      list.erase(list.begin() + ptrdiff_t(a));
      break;
    case 1:
      list.push_back(list[a]);
      break;
    case 2:
      std::swap(list[a], list[b]);
      break;
    case 3: {  // the name of one, the contents of another
      const auto name = [](const std::string& s) {
        uint64_t n;
        memcpy(&n, s.data(), 8);
        return size_t(std::min<uint64_t>(n, s.size() - 8)) + 8;  // an earlier mutation may have changed n
      };
      list[a] = list[a].substr(0, name(list[a])) + list[b].substr(name(list[b]));
      break;
    }
    default: {  // inside, without changing the length
      auto* bytes = reinterpret_cast<uint8_t*>(list[a].data());
      LLVMFuzzerMutate(bytes, list[a].size(), list[a].size());
    }
  }
}

size_t mutate(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Rng rng(seed);
  Pieces pieces;
  if (rng() % 4 == 0 || !Cutter(data, size).cut(pieces)) {
    const size_t fixed = size > 8 ? 8 : 0;  // keep magic and version
    return fixed + LLVMFuzzerMutate(data + fixed, size - fixed, max_size - fixed);
  }
  for (uint64_t n = 1 + rng() % 3; n > 0; --n) mutate_list(rng() % 3 ? pieces.keys : pieces.tensors, rng);
  std::string out(reinterpret_cast<const char*>(data), 8);
  GgufBuilder::put<uint64_t>(out, pieces.tensors.size());
  GgufBuilder::put<uint64_t>(out, pieces.keys.size());
  for (const auto* list : {&pieces.keys, &pieces.tensors}) {
    for (const std::string& piece : *list) out += piece;
  }
  out.resize(std::min(out.size(), max_size));
  memcpy(data, out.data(), out.size());
  return out.size();
}

// Writes the headers of small toys into the corpus folder (the first argument).
void seed_corpus(const std::string& folder) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    for (const char* tokenizer : {"gpt2", "llama"}) {
      ToyOptions o;
      o.architecture = architecture, o.tokenizer = tokenizer;
      o.d_model = 32, o.n_heads = 2, o.n_kv_heads = 1, o.d_ff = 32, o.n_layers = 1, o.n_vocab = 310;
      o.chat_template = "x", o.tied = tokenizer[0] == 'g';
      GgufBuilder g = toy_gguf(o);
      g.f32(o.architecture + ".rope.scaling.factor", 2).text(o.architecture + ".rope.scaling.type", "yarn");
      g.f32("general.sampling.temp", 0.5f).u32("general.alignment", 32);
      GgufBuilder::write_bytes(folder + "/toy-" + architecture + "-" + tokenizer, g.header());
    }
  }
}

}  // namespace

}  // namespace sluice::test

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc > 1 && std::filesystem::is_directory((*argv)[1])) sluice::test::seed_corpus((*argv)[1]);
  return 0;
}

extern "C" __attribute__((visibility("default"))) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                                                                 size_t max_size, unsigned seed) {
  return sluice::test::mutate(data, size, max_size, seed);
}

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::test::try_file(data, size);
  return 0;
}
