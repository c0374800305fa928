// SPDX-License-Identifier: Apache-2.0
// The merge list of a BPE vocabulary, from pairs of texts to a table of token ids that is searched in place.
#include <algorithm>
#include <numeric>

#include "converter/vocabulary.h"
#include "schema/layout.h"

namespace sluice {

namespace {

struct Merge {
  uint32_t left, right, rank, result;
};

// The token that is written like this in the source file's spelling (`mapped`), or -1.
int32_t find_symbol(const TokenTexts& tokens, const fb::VocabT& vocab, const std::vector<bool>& is_mapped,
                    std::string_view mapped, std::string& raw) {
  const auto find = [&](std::string_view text, bool want_mapped) -> int32_t {
    for (uint32_t i = tokens.lower_bound(text); i < tokens.size(); ++i) {
      const uint32_t id = vocab.text_order[i];
      if (tokens.text(id) != text) break;
      // "<0x41>" in a merge is text, the token of that spelling a byte.
      if (vocab.kind != fb::VocabKind::ByteBpe && fb::TokenType(vocab.types[id]) == fb::TokenType::Byte) continue;
      if (is_mapped[id] == want_mapped) return int32_t(id);
    }
    return -1;
  };
  if (raw_bytes(mapped, raw)) {
    const int32_t id = find(raw, true);
    if (id >= 0) return id;
  }
  return find(mapped, false);
}

}  // namespace

Status read_merges(const Gguf& gguf, const std::vector<bool>& mapped, fb::VocabT& vocab, const Notice& notice) {
  constexpr const char* kKey = "tokenizer.ggml.merges";
  const GgufValue* list = gguf.find(kKey);
  if (list && list->count > kMaxMerges)
    return gguf.key_error(kKey, "has more than " + std::to_string(kMaxMerges) + " elements");
  const TokenTexts tokens(vocab);
  std::vector<Merge> merges;
  const uint64_t most = (kMaxVocabularyBytes - vocabulary_bytes(vocab)) / kMergeTableBytes;
  if (list) merges.reserve(size_t(std::min(list->count, most)));
  std::string raw, joined;
  uint64_t n_skipped = 0;
  SLUICE_DO(gguf.for_each_text(kKey, [&](uint64_t rank, std::string_view text) -> Status {
    const size_t space = text.size() < 3 ? text.npos : text.find(' ', 1);
    if (space == text.npos) {
      ++n_skipped;
      return {};
    }
    const std::string_view left = text.substr(0, space), right = text.substr(space + 1);
    joined.assign(left).append(right);
    const int32_t l = find_symbol(tokens, vocab, mapped, left, raw);
    const int32_t r = find_symbol(tokens, vocab, mapped, right, raw);
    const int32_t result = find_symbol(tokens, vocab, mapped, joined, raw);
    if (l < 0 || r < 0 || result < 0) {
      ++n_skipped;
      return {};
    }
    if (merges.size() == most) {
      return gguf.key_error(
          kKey, "has " + std::to_string(list->count) + " elements, which with the tokens take more memory than the " +
                    std::to_string(kMaxVocabularyBytes >> 20) + " MiB that a conversion has for them");
    }
    merges.push_back({uint32_t(l), uint32_t(r), uint32_t(rank), uint32_t(result)});
    return {};
  }));
  if (n_skipped > 0) {
    notice("vocabulary: " + std::to_string(n_skipped) + " merges are left out, their parts or results are no tokens");
  }
  std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return a.left != b.left ? a.left < b.left : a.right != b.right ? a.right < b.right : a.rank < b.rank;
  });
  const auto same_pair = [](const Merge& a, const Merge& b) { return a.left == b.left && a.right == b.right; };
  merges.erase(std::unique(merges.begin(), merges.end(), same_pair), merges.end());  // the first one wins
  for (auto* table : {&vocab.merge_left, &vocab.merge_right, &vocab.merge_rank, &vocab.merge_result}) {
    table->reserve(merges.size());
  }
  for (const Merge& m : merges) {
    vocab.merge_left.push_back(m.left);
    vocab.merge_right.push_back(m.right);
    vocab.merge_rank.push_back(m.rank);
    vocab.merge_result.push_back(m.result);
  }
  return {};
}

}  // namespace sluice
