// SPDX-License-Identifier: Apache-2.0
// The scanners that pre-tokenizers are made of. A scanner looks at code point `i` of a fragment and returns the end of
// the match that begins there, or `i` if none does. The regular expression it stands for is the comment beside it;
// a regular expression's end of subject is the fragment's end.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/tokenizer/unicode.h"

namespace sluice {

// A fragment of decoded text.
struct Fragment {
  const uint32_t* code_points;
  const uint8_t* classes;
  size_t n;

  uint32_t at(size_t i) const { return i < n ? code_points[i] : 0; }
  bool is(size_t i, uint8_t bits) const { return i < n && (classes[i] & bits) != 0; }
  bool not_any(size_t i, uint8_t bits) const { return i < n && (classes[i] & bits) == 0; }
  bool newline(size_t i) const { return at(i) == '\r' || at(i) == '\n'; }
  size_t skip(size_t i, uint8_t bits) const {
    while (is(i, bits)) ++i;
    return i;
  }
  size_t skip_not(size_t i, uint8_t bits) const {
    while (not_any(i, bits)) ++i;
    return i;
  }
};

using Scanner = size_t (*)(const Fragment& f, size_t i);

// G = 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t scan_gpt2(const Fragment& f, size_t i);

// C = (?i:'s|'t|'re|'ve|'m|'ll|'d) in ASCII: as in llama.cpp, U+017F is not an s.
// C|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t scan_llama3(const Fragment& f, size_t i);

// As llama3 with \p{N}.
size_t scan_qwen2(const Fragment& f, size_t i);

// As qwen2 with [\p{L}\p{M}]+ for \p{L}+ and [^\s\p{L}\p{M}\p{N}]+ for [^\s\p{L}\p{N}]+.
size_t scan_qwen35(const Fragment& f, size_t i);

// As qwen2 without [\r\n]*.
size_t scan_seed_coder(const Fragment& f, size_t i);

// With U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and D = [\p{Ll}\p{Lm}\p{Lo}\p{M}]:
// [^\r\n\p{L}\p{N}]?U*D+|[^\r\n\p{L}\p{N}]?U+D*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t scan_tekken(const Fragment& f, size_t i);

// As tekken with C? after both letter alternatives and \p{N}{1,3}.
size_t scan_gpt4o(const Fragment& f, size_t i);

size_t scan_number(const Fragment& f, size_t i);             // \p{N}
size_t scan_numbers(const Fragment& f, size_t i);            // \p{N}+
size_t scan_three_numbers(const Fragment& f, size_t i);      // \p{N}{1,3}
size_t scan_three_digits(const Fragment& f, size_t i);       // [0-9][0-9][0-9]
size_t scan_punctuation(const Fragment& f, size_t i);        // [\p{P}\$\+<=>\^~\|]+
size_t scan_punctuation_tick(const Fragment& f, size_t i);   // [\p{P}\$\+<=>\^~\|`]+
size_t scan_newline(const Fragment& f, size_t i);            // [\r\n]
size_t scan_newline_run(const Fragment& f, size_t i);        // [^\n]+|[\n]+
size_t scan_space_letters(const Fragment& f, size_t i);      // \s?\p{L}+
size_t scan_space_punctuation(const Fragment& f, size_t i);  // \s?\p{P}+
size_t scan_cjk_coder(const Fragment& f, size_t i);          // [\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+
size_t scan_cjk_v3(const Fragment& f, size_t i);             // [\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+

// The passes of deepseek-llm: \s?[LETTERS]+ with the letters of cased_letters.h, then
// \s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+, then \s+$
size_t scan_llm_letters(const Fragment& f, size_t i);
size_t scan_llm_signs(const Fragment& f, size_t i);
size_t scan_last_spaces(const Fragment& f, size_t i);

// [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
// \s*[\r\n]+|\s+(?!\S)|\s+
size_t scan_deepseek_v3(const Fragment& f, size_t i);

}  // namespace sluice
