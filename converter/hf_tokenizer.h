// SPDX-License-Identifier: Apache-2.0
// tokenizer.json of a Hugging Face folder as the keys tokenizer.ggml.*: read in passes, streaming, so that only the
// texts of the tokens and the merges are ever held. Byte-level BPE and BPE of SentencePiece pieces.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "converter/hf_assembler.h"
#include "converter/hf_json.h"
#include "converter/hf_pretokenizer.h"
#include "converter/vocabulary.h"

namespace sluice {

// Everything a hostile file could exaggerate. Each limit is tested at its edge. A few times what the largest published
// tokenizers have, and together what a conversion has memory for.
inline constexpr uint32_t kMaxHfTokens = 1 << 20;
inline constexpr size_t kMaxHfVocabBytes = 8 << 20;   // of the texts of all tokens
inline constexpr size_t kMaxHfMergeBytes = 24 << 20;  // of all merges, eight bytes for each included
inline constexpr size_t kMaxHfAddedTokens = 65536;
// Merges of longer tokens are taken as they are: asking whether scores would do the same takes the square of the
// length.
inline constexpr size_t kMaxHfComparedBytes = 256;

// Texts by id, and ids by text.
class HfTokens {
 public:
  HfTokens();
  // False if the id is taken by another text. The caller bounds id and sum of texts.
  bool set(uint32_t id, std::string_view text);
  void index();  // before find()
  uint32_t size() const { return uint32_t(places_.size()); }
  bool has(uint32_t id) const { return id < size() && places_[id].size != kNone; }
  std::string_view text(uint32_t id) const;
  int32_t find(std::string_view text) const;
  size_t bytes() const { return texts_.size(); }

 private:
  static constexpr uint32_t kNone = ~0u;
  struct Place {
    uint32_t begin = 0, size = kNone;
  };
  size_t slot_of(std::string_view text) const;
  uint64_t multiplier_;
  std::string texts_;
  std::vector<Place> places_;
  std::vector<uint32_t> slots_;  // open addressing; id + 1, 0 for an empty slot
};

// What other files of the folder ask for.
struct HfTokenizer {
  HfTokens tokens;
  std::string unknown, first, last;  // texts: the unknown token; those put before and behind every text
};

// `n_rows`: of the embedding; tokens beyond are left out.
Result<HfTokenizer> write_hf_tokenizer(const std::string& path, uint32_t n_rows, HfAssembler& out,
                                       const Notice& notice);

// How the merges of a file relate to scores: SentencePiece joins the pair whose result has the best score, a file of
// merges the pair that stands first. Both do the same if the merges of a result stand together and are all that the
// vocabulary allows.
class MergeOrder {
 public:
  explicit MergeOrder(const HfTokens& tokens)
      : tokens_(tokens), scores_(tokens.size(), kNoMerge), n_merges_(tokens.size()) {}
  void add(std::string_view left, std::string_view right);
  // `apart`: by id, tokens that text never becomes by merging.
  bool is_order_of_results(const std::vector<bool>& apart);
  bool has_merges() const { return n_results_ > 0; }
  // Better ones are higher; tokens that no merge gives come last.
  const std::vector<float>& scores() const { return scores_; }

 private:
  static constexpr float kNoMerge = -1e9f;
  const HfTokens& tokens_;
  std::vector<float> scores_;
  std::vector<uint16_t> n_merges_;
  std::string joined_;
  uint32_t n_results_ = 0;
  int32_t result_ = -1;
  bool regular_ = true;
};

}  // namespace sluice
