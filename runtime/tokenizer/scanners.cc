// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/scanners.h"

#include "runtime/tokenizer/cased_letters.h"

namespace sluice {
namespace {

bool ascii_letter(uint32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

// End of a contraction at `i`, or `i`. `fold` accepts upper case too.
size_t contraction(const Fragment& f, size_t i, bool fold) {
  if (f.at(i) != '\'') return i;
  auto letter = [&](size_t k) {
    uint32_t c = f.at(k);
    return fold && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
  };
  uint32_t a = letter(i + 1), b = letter(i + 2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return i + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return i + 3;
  return i;
}

// \s+(?!\S)|\s+ : a run gives its last character back to the word that follows, unless it is that character alone.
size_t spaces(const Fragment& f, size_t i) {
  size_t end = f.skip(i, kSpace);
  return end == f.n || end - i < 2 ? end : end - 1;
}

// \s*[\r\n]+|\s+(?!\S)|\s+ : \s* takes the whole run and gives back up to its last newline.
size_t newlines_or_spaces(const Fragment& f, size_t i) {
  size_t end = f.skip(i, kSpace);
  for (size_t k = end; k > i; --k) {
    if (f.newline(k - 1)) return k;
  }
  return end == f.n || end - i < 2 ? end : end - 1;
}

// [^\r\n\p{L}\p{N}]?R+ for a class R of letters (and marks): where the prefix is itself in R, taking it or not ends
// alike.
size_t prefixed_run(const Fragment& f, size_t i, uint8_t prefix_excludes, uint8_t run) {
  if (f.is(i, run)) return f.skip(i, run);
  if (f.not_any(i, prefix_excludes) && !f.newline(i) && f.is(i + 1, run)) return f.skip(i + 1, run);
  return i;
}

size_t numbers(const Fragment& f, size_t i, size_t at_most) {
  size_t end = i;
  while (end - i < at_most && f.is(end, kNumber)) ++end;
  return end;
}

enum class Tail { kNothing, kNewlines, kNewlinesAndSlashes };

// " ?X+T*" with X = everything not in `excludes`, T = the tail.
size_t others(const Fragment& f, size_t i, uint8_t excludes, Tail tail) {
  size_t start = f.at(i) == ' ' ? i + 1 : i;
  size_t end = f.skip_not(start, excludes);
  if (end == start) return i;
  if (tail == Tail::kNothing) return end;
  while (f.newline(end) || (tail == Tail::kNewlinesAndSlashes && f.at(end) == '/')) ++end;
  return end;
}

// llama3 and its kin.
size_t scan_llama3_kin(const Fragment& f, size_t i, size_t n_numbers, uint8_t letters, Tail tail = Tail::kNewlines) {
  size_t end = contraction(f, i, true);
  if (end > i) return end;
  end = prefixed_run(f, i, kLetter | kNumber, letters);
  if (end > i) return end;
  end = numbers(f, i, n_numbers);
  if (end > i) return end;
  end = others(f, i, uint8_t(kSpace | kNumber | letters), tail);
  return end > i ? end : newlines_or_spaces(f, i);
}

bool cased_up(const Fragment& f, size_t i) { return f.is(i, kLetter | kMark) && !f.is(i, kLower); }    // U
bool cased_down(const Fragment& f, size_t i) { return f.is(i, kLetter | kMark) && !f.is(i, kUpper); }  // D

// U*D+ from i. If nothing in D follows the U run, the run gives back up to its last member that is also in D.
size_t up_then_down(const Fragment& f, size_t i) {
  size_t up = i;
  while (cased_up(f, up)) ++up;
  size_t end = up;
  while (cased_down(f, end)) ++end;
  if (end > up) return end;
  for (size_t k = up; k > i; --k) {
    if (cased_down(f, k - 1)) return k;
  }
  return i;
}

// U+D* from i where up_then_down found nothing (so D* is empty).
size_t up_only(const Fragment& f, size_t i) {
  while (cased_up(f, i)) ++i;
  return i;
}

size_t cased_word(const Fragment& f, size_t i) {
  bool prefix = f.not_any(i, kLetter | kNumber) && !f.newline(i);
  for (auto part : {up_then_down, up_only}) {
    if (prefix) {
      size_t end = part(f, i + 1);
      if (end > i + 1) return end;
    }
    size_t end = part(f, i);
    if (end > i) return end;
  }
  return i;
}

size_t scan_tekken_kin(const Fragment& f, size_t i, size_t n_numbers, bool contractions) {
  size_t end = cased_word(f, i);
  if (end > i) return contractions ? contraction(f, end, true) : end;
  end = numbers(f, i, n_numbers);
  if (end > i) return end;
  end = others(f, i, kSpace | kLetter | kNumber, Tail::kNewlinesAndSlashes);
  return end > i ? end : newlines_or_spaces(f, i);
}

// deepseek-llm's own set of punctuation: ASCII from '!' on but for digits, and some wide and general signs.
bool llm_sign(uint32_t c) {
  return (c >= '!' && c <= '~' && !(c >= '0' && c <= '9')) || (c >= 0xFF01 && c <= 0xFF0F) ||
         (c >= 0xFF1A && c <= 0xFF5E) || (c >= 0x2018 && c <= 0x201F) || (c >= 0x3000 && c <= 0x3002);
}

// \s?X+ for a set X: where the space is itself in X, taking it or not ends alike.
size_t spaced_run(const Fragment& f, size_t i, bool (*in_set)(uint32_t)) {
  size_t start = f.is(i, kSpace) && in_set(f.at(i + 1)) ? i + 1 : i, end = start;
  while (in_set(f.at(end))) ++end;
  return end > start ? end : i;
}

bool math_sign(uint32_t c) {
  return c == '$' || c == '+' || c == '<' || c == '=' || c == '>' || c == '^' || c == '~' || c == '|';
}

}  // namespace

size_t scan_gpt2(const Fragment& f, size_t i) {
  size_t end = contraction(f, i, false);
  if (end > i) return end;
  size_t start = f.at(i) == ' ' ? i + 1 : i;
  if (f.is(start, kLetter)) return f.skip(start, kLetter);
  if (f.is(start, kNumber)) return f.skip(start, kNumber);
  if (f.not_any(start, kSpace | kLetter | kNumber)) return f.skip_not(start, kSpace | kLetter | kNumber);
  return spaces(f, i);
}

size_t scan_llama3(const Fragment& f, size_t i) { return scan_llama3_kin(f, i, 3, kLetter); }
size_t scan_qwen2(const Fragment& f, size_t i) { return scan_llama3_kin(f, i, 1, kLetter); }
size_t scan_qwen35(const Fragment& f, size_t i) { return scan_llama3_kin(f, i, 1, kLetter | kMark); }
size_t scan_seed_coder(const Fragment& f, size_t i) { return scan_llama3_kin(f, i, 1, kLetter, Tail::kNothing); }
size_t scan_tekken(const Fragment& f, size_t i) { return scan_tekken_kin(f, i, 1, false); }
size_t scan_gpt4o(const Fragment& f, size_t i) { return scan_tekken_kin(f, i, 3, true); }

size_t scan_number(const Fragment& f, size_t i) { return numbers(f, i, 1); }
size_t scan_numbers(const Fragment& f, size_t i) { return f.skip(i, kNumber); }
size_t scan_three_numbers(const Fragment& f, size_t i) { return numbers(f, i, 3); }

size_t scan_three_digits(const Fragment& f, size_t i) {
  for (size_t k = i; k < i + 3; ++k) {
    if (f.at(k) < '0' || f.at(k) > '9') return i;
  }
  return i + 3;
}

size_t scan_punctuation(const Fragment& f, size_t i) {
  while (f.is(i, kPunctuation) || math_sign(f.at(i))) ++i;
  return i;
}

size_t scan_punctuation_tick(const Fragment& f, size_t i) {
  while (f.is(i, kPunctuation) || math_sign(f.at(i)) || f.at(i) == '`') ++i;
  return i;
}

size_t scan_newline_run(const Fragment& f, size_t i) {
  bool newlines = f.at(i) == '\n';
  while (i < f.n && (f.at(i) == '\n') == newlines) ++i;
  return i;
}

size_t scan_newline(const Fragment& f, size_t i) { return f.newline(i) ? i + 1 : i; }

size_t scan_space_letters(const Fragment& f, size_t i) {
  size_t start = f.is(i, kSpace) ? i + 1 : i;
  return f.is(start, kLetter) ? f.skip(start, kLetter) : i;
}

size_t scan_space_punctuation(const Fragment& f, size_t i) {
  size_t start = f.is(i, kSpace) ? i + 1 : i;
  return f.is(start, kPunctuation) ? f.skip(start, kPunctuation) : i;
}

size_t scan_cjk_coder(const Fragment& f, size_t i) {
  auto inside = [&](uint32_t c) { return (c >= 0x800 && c <= 0x9FA5) || (c >= 0xAC00 && c <= 0xD7FF); };
  while (inside(f.at(i))) ++i;
  return i;
}

size_t scan_llm_letters(const Fragment& f, size_t i) { return spaced_run(f, i, is_cased_letter); }
size_t scan_llm_signs(const Fragment& f, size_t i) { return spaced_run(f, i, llm_sign); }

size_t scan_last_spaces(const Fragment& f, size_t i) {
  if (i > 0 && f.is(i - 1, kSpace)) return i;  // the run has been looked at: it does not reach the end
  size_t end = f.skip(i, kSpace);
  return end == f.n ? end : i;
}

size_t scan_cjk_v3(const Fragment& f, size_t i) {
  auto inside = [&](uint32_t c) { return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF); };
  while (inside(f.at(i))) ++i;
  return i;
}

size_t scan_deepseek_v3(const Fragment& f, size_t i) {
  uint32_t c = f.at(i);
  if (c > ' ' && c < 0x7F && f.is(i, kPunctuation | kSymbol) && ascii_letter(f.at(i + 1))) {
    ++i;
    while (ascii_letter(f.at(i))) ++i;
    return i;
  }
  size_t end = prefixed_run(f, i, kLetter | kPunctuation | kSymbol, kLetter | kMark);
  if (end > i) return end;
  size_t start = c == ' ' ? i + 1 : i;
  if (f.is(start, kPunctuation | kSymbol)) {
    end = f.skip(start, kPunctuation | kSymbol);
    while (f.newline(end)) ++end;
    return end;
  }
  return newlines_or_spaces(f, i);
}

}  // namespace sluice
