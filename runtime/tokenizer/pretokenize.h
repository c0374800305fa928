// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers: how a vocabulary's training cut text into words before merging. Each is a list of passes; a pass is a
// hand-written scanner that does in linear time and without recursion what the published regular expression does.
// Adding one is its name in schema/pretokenizers.h, a row in pretokenize.cc and, if no scanner fits, a scanner in
// scanners.cc.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace sluice {

// Index of the pre-tokenizer of this name, -1 if unknown.
int find_pretokenizer(std::string_view name);

// Appends the end (byte offset) of every word of `text`, which is valid UTF-8. Words cover the text without gaps.
void pretokenize(int which, std::string_view text, std::vector<size_t>& word_ends);

}  // namespace sluice
