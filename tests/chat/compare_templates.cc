// SPDX-License-Identifier: Apache-2.0
// Renders the cases that make_template_cases.py and fuzz_templates.py wrote and compares them with what jinja2 made of
// them: compare_templates [FOLDER]. Without an argument SLUICE_TEMPLATE_CASES names the folder; without that it says
// that it skipped. Equal bytes count, and errors on both sides.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "runtime/chat/chat_template.h"
#include "runtime/chat/json_reader.h"

namespace sluice {
namespace {

struct Score {
  size_t equal = 0, both_refuse = 0, refused = 0, accepted = 0, different = 0;
  size_t wrong() const { return refused + accepted + different; }
};

const std::string* text_of(const jinja::Dict& dict, std::string_view name) {
  const jinja::Value* v = dict.find(name);
  return v && v->is(jinja::Kind::kString) ? &v->text() : nullptr;
}

// Some of `text` from shortly before byte `at`, on one line.
std::string excerpt(const std::string& text, size_t at) {
  const size_t begin = at > 40 ? at - 40 : 0;
  std::string s = text.substr(begin, at - begin + 60);
  for (size_t k = 0; (k = s.find('\n', k)) != s.npos; k += 2) s.replace(k, 1, "\\n");
  return s;
}

void compare(const ChatTemplate* parsed, const std::string& why_not, const jinja::Dict& one, int64_t now,
             const std::string& place, Score& score) {
  const std::string *rendered = text_of(one, "rendered"), *error = text_of(one, "error");
  const jinja::Value* variables = one.find("variables");
  if (!variables || (!rendered && !error)) {
    ++score.different;
    printf("%s: no case of a template\n", place.c_str());
    return;
  }
  Result<std::string> ours = parsed ? parsed->render(*variables, now) : Error{Code::kBadModel, why_not, "", kNoOffset};
  if (!ours.ok() && error) {
    ++score.both_refuse;
  } else if (!ours.ok()) {
    ++score.refused;
    printf("%s: refused: %s\n", place.c_str(), ours.error().message.c_str());
  } else if (error) {
    ++score.accepted;
    printf("%s: accepted, but jinja2 says: %s\n", place.c_str(), error->c_str());
  } else if (*ours == *rendered) {
    ++score.equal;
  } else {
    ++score.different;
    const size_t most = std::min(ours->size(), rendered->size());
    const size_t at =
        size_t(std::mismatch(ours->begin(), ours->begin() + ptrdiff_t(most), rendered->begin()).first - ours->begin());
    printf("%s: different at byte %zu\n  ours   %s\n  jinja2 %s\n", place.c_str(), at, excerpt(*ours, at).c_str(),
           excerpt(*rendered, at).c_str());
  }
}

bool compare_file(const std::filesystem::path& path, Score& score) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  Result<jinja::Value> read = jinja::read_json(bytes);
  const jinja::Dict* whole = read.ok() && read->is(jinja::Kind::kDict) ? &read->dict() : nullptr;
  const std::string* text = whole ? text_of(*whole, "template") : nullptr;
  const jinja::Value* cases = whole ? whole->find("cases") : nullptr;
  const jinja::Value* now = whole ? whole->find("now") : nullptr;
  if (!text || !cases || !cases->is(jinja::Kind::kList) || !now || !now->integral()) {
    printf("%s: no file of cases\n", path.string().c_str());
    return false;
  }
  Result<ChatTemplate> parsed = ChatTemplate::parse(*text);
  const std::string why_not = parsed.ok() ? "" : parsed.error().message;
  for (const jinja::Value& one : cases->list().items) {
    const std::string* name = one.is(jinja::Kind::kDict) ? text_of(one.dict(), "name") : nullptr;
    if (!name) return false;
    compare(parsed.ok() ? &*parsed : nullptr, why_not, one.dict(), now->as_int(), path.stem().string() + ": " + *name,
            score);
  }
  return true;
}

int run(int argc, char** argv) {
  const char* folder = argc > 1 ? argv[1] : getenv("SLUICE_TEMPLATE_CASES");
  if (!folder || !*folder) {
    printf("==== SKIPPED: SLUICE_TEMPLATE_CASES names no folder that make_template_cases.py wrote ====\n");
    return 77;
  }
  setenv("TZ", "UTC0", 1);  // as the cases were made
  tzset();
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Score all;
  size_t exact = 0;
  for (const std::filesystem::path& path : files) {
    Score score;
    if (!compare_file(path, score)) return 1;
    exact += score.wrong() == 0;
    all.equal += score.equal;
    all.both_refuse += score.both_refuse;
    all.refused += score.refused;
    all.accepted += score.accepted;
    all.different += score.different;
  }
  printf(
      "%zu of %zu templates without a difference; cases: %zu equal, %zu refused by both, %zu refused here only, "
      "%zu refused by jinja2 only, %zu different\n",
      exact, files.size(), all.equal, all.both_refuse, all.refused, all.accepted, all.different);
  return files.empty() || all.wrong() > 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::run(argc, argv); }
