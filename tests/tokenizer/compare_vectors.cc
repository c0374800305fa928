// SPDX-License-Identifier: Apache-2.0
// Vocabularies that come with vectors: NAME.gguf (no tensors), NAME.gguf.inp (texts) and NAME.gguf.out (a line of ids
// for each text). Each is converted, opened and must give the ids of every line.
// usage: compare_vectors [FOLDER]   (default: $SLUICE_VOCAB_VECTORS; exit code 77 without one: skipped)
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "base/source.h"
#include "runtime/tokenizer/tokenizer.h"
#include "schema/reader.h"
#include "sluice/convert.h"
#include "support/temporary_folder.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

// Kinds of vocabulary that this program refuses, and must refuse.
const std::set<std::string> kRefused = {"ggml-vocab-bert-bge.gguf"};

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A separator ends every text; the last file writer left it out after the last one.
std::vector<std::string> texts_of(const std::string& all) {
  static const std::string kSeparator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find(kSeparator, at), all.size());
    texts.push_back(all.substr(at, end - at));
    at = end + kSeparator.size();
  }
  return texts;
}

// The number of texts that came out wrong, or an error.
Result<int> compare(const fs::path& gguf, const std::string& folder, int& n_texts) {
  const std::string slm = folder + "/vocabulary.slm";
  SLUICE_TRY(const ConvertReport report, convert_file(gguf.string(), slm, {}));
  SLUICE_TRY(const std::shared_ptr<const ByteSource> source, FileSource::open(slm));
  Accountant accountant(0);
  SLUICE_TRY(const SlmFile file, open_slm(source, accountant));
  SLUICE_TRY(const Tokenizer tokenizer, Tokenizer::open(file.header()->vocab()));
  std::ifstream lines(gguf.string() + ".out");
  int n_wrong = 0;
  for (const std::string& text : texts_of(content(gguf.string() + ".inp"))) {
    std::string line;
    if (!std::getline(lines, line))
      return make_error(Code::kFailed, gguf.string() + ".out", kNoOffset, "too few lines");
    std::istringstream numbers(line);
    const std::vector<int32_t> wanted{std::istream_iterator<int32_t>(numbers), {}};
    std::vector<int32_t> tokens;
    tokenizer.encode(text, {}, tokens);
    ++n_texts;
    if (tokens == wanted) continue;
    ++n_wrong;
    printf("  text %d \"%s\": %zu tokens, wanted %zu\n", n_texts, text.substr(0, 60).c_str(), tokens.size(),
           wanted.size());
  }
  return n_wrong;
}

int run(const char* folder) {
  if (!folder || !*folder) {
    puts("skipped: SLUICE_VOCAB_VECTORS does not name a folder with ggml-vocab-*.gguf, .inp and .out");
    return 77;
  }
  TemporaryFolder work;
  int n_files = 0, n_failed = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".inp") continue;
    fs::path gguf = entry.path();
    const std::string name = gguf.replace_extension().filename().string();
    ++n_files;
    int n_texts = 0;
    const Result<int> wrong = compare(gguf, work.path(), n_texts);
    if (!wrong.ok() && kRefused.count(name)) {
      printf("%s: refused, as it should be (%s)\n", name.c_str(), wrong.error().message.c_str());
      continue;
    }
    const bool good = wrong.ok() && *wrong == 0 && n_texts > 0 && !kRefused.count(name);
    n_failed += !good;
    printf("%s: %s\n", name.c_str(),
           !wrong.ok() ? wrong.error().text().c_str()
                       : (std::to_string(n_texts - *wrong) + " of " + std::to_string(n_texts)).c_str());
  }
  if (n_files == 0) puts("there are no vectors in this folder");
  return n_files > 0 && n_failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::run(argc > 1 ? argv[1] : getenv("SLUICE_VOCAB_VECTORS")); }
