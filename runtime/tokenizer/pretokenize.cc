// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/pretokenize.h"

#include <iterator>

#include "runtime/tokenizer/scanners.h"
#include "schema/pretokenizers.h"

namespace sluice {
namespace {

inline constexpr size_t kMaxPasses = 6;

// Passes apply in sequence: each cuts all fragments that the one before left; text between matches is a fragment too.
struct PreTokenizer {
  std::string_view family;
  Scanner passes[kMaxPasses];
};

constexpr PreTokenizer kPreTokenizers[] = {
    {"default", {scan_punctuation, scan_gpt2, scan_numbers, scan_three_digits}},
    {"gpt-2", {scan_gpt2}},
    {"smollm", {scan_number, scan_gpt2}},
    {"llama-bpe", {scan_llama3}},
    {"minicpm5", {scan_three_numbers, scan_llama3}},
    {"qwen2", {scan_qwen2}},
    {"qwen35", {scan_qwen35}},
    {"seed-coder", {scan_seed_coder}},
    {"tekken", {scan_tekken}},
    {"gpt-4o", {scan_gpt4o}},
    {"falcon", {scan_punctuation_tick, scan_gpt2, scan_three_digits}},
    {"deepseek-coder", {scan_newline, scan_space_letters, scan_space_punctuation, scan_cjk_coder, scan_number}},
    {"deepseek-llm", {scan_newline, scan_llm_letters, scan_llm_signs, scan_last_spaces, scan_cjk_coder, scan_numbers}},
    {"deepseek-v3", {scan_three_numbers, scan_cjk_v3, scan_deepseek_v3}},
    {"gemma4", {scan_newline_run}},
};

constexpr int row_of(std::string_view family) {
  for (size_t i = 0; i < std::size(kPreTokenizers); ++i) {
    if (kPreTokenizers[i].family == family) return int(i);
  }
  return -1;
}

constexpr bool every_name_has_a_row() {
  for (const PretokenizerName& name : kPretokenizerNames) {
    if (row_of(name.family) < 0) return false;
  }
  return true;
}
static_assert(every_name_has_a_row());

}  // namespace

int find_pretokenizer(std::string_view name) {
  const std::string_view family = pretokenizer_family(name);
  return family.empty() ? -1 : row_of(family);
}

void pretokenize(int which, std::string_view text, std::vector<size_t>& word_ends) {
  std::vector<uint32_t> code_points;
  std::vector<uint8_t> classes;
  code_points.reserve(text.size());
  classes.reserve(text.size());
  while (!text.empty()) {
    code_points.push_back(take_code_point(text));
    classes.push_back(class_of(code_points.back()));
  }

  std::vector<size_t> ends, next;  // in code points
  if (!code_points.empty()) ends.push_back(code_points.size());
  for (Scanner scan : kPreTokenizers[which].passes) {
    if (!scan) break;
    next.clear();
    size_t start = 0;
    for (size_t end : ends) {
      Fragment f{code_points.data() + start, classes.data() + start, end - start};
      size_t gap = 0;  // start of the text since the last match
      for (size_t i = 0; i < f.n;) {
        size_t match = scan(f, i);
        if (match == i) {
          ++i;
          continue;
        }
        if (i > gap) next.push_back(start + i);
        next.push_back(start + match);
        gap = i = match;
      }
      if (gap < f.n) next.push_back(end);
      start = end;
    }
    ends.swap(next);
  }

  size_t bytes = 0, at = 0;
  for (size_t end : ends) {
    for (; at < end; ++at) bytes += utf8_size(code_points[at]);
    word_ends.push_back(bytes);
  }
}

}  // namespace sluice
