// SPDX-License-Identifier: Apache-2.0
#include "small_vocab.h"
#include "support/catch.h"

namespace sluice {
namespace {

std::string piece(const Tokenizer& t, int32_t token, bool special = false) {
  std::string out;
  t.append_piece(token, special, out);
  return out;
}

}  // namespace

TEST_CASE("control and unknown tokens are silent unless asked for", "[tokenizer]") {
  SmallVocab v(fb::VocabKind::ByteBpe, {{"<s>", fb::TokenType::Control},
                                        {"<unk>", fb::TokenType::Unknown},
                                        {"<tool>", fb::TokenType::UserDefined},
                                        {"[pad]", fb::TokenType::Unused},
                                        {" raw\xFF"}});
  Tokenizer t = v.open();
  CHECK(piece(t, 0) == "");
  CHECK(piece(t, 0, true) == "<s>");
  CHECK(piece(t, 1) == "");
  CHECK(piece(t, 1, true) == "<unk>");
  CHECK(piece(t, 2) == "<tool>");
  CHECK(piece(t, 3) == "");
  CHECK(piece(t, 4) == " raw\xFF");
  CHECK(t.is_special(0));
  CHECK(t.is_special(1));
  CHECK(!t.is_special(2));
}

TEST_CASE("tokens out of range give nothing and are nothing", "[tokenizer]") {
  SmallVocab v = letters_vocab("ab", {});
  v.t.end_of_generation = {1};
  Tokenizer t = v.open();
  for (int32_t token : {-1, 2, 1 << 30}) {
    CHECK(piece(t, token) == "");
    CHECK(!t.is_special(token));
    CHECK(!t.is_end(token));
  }
  CHECK(t.is_end(1));
  CHECK(!t.is_end(0));
  CHECK(t.n_vocab() == 2);
}

TEST_CASE("SentencePiece texts show spaces for their mark, and bytes for byte tokens", "[tokenizer]") {
  SmallVocab v(fb::VocabKind::SentencePieceBpe, {{"\xE2\x96\x81"
                                                  "a\xE2\x96\x81"},
                                                 {"<0xF0>", fb::TokenType::Byte},
                                                 {"<0x41>"},
                                                 {"\xE2\x96\x81", fb::TokenType::UserDefined}});
  Tokenizer t = v.open();
  CHECK(piece(t, 0) == " a ");
  CHECK(piece(t, 1) == "\xF0");
  CHECK(piece(t, 2) == "<0x41>");
  CHECK(piece(t, 3) == "\xE2\x96\x81");
  CHECK(t.decode({0, 0}, false) == " a  a ");
  CHECK(!t.strips_leading_space());
}

TEST_CASE("the empty text is found nowhere", "[tokenizer]") {
  SmallVocab v = letters_vocab("ab", {{"a", "b"}});
  Tokenizer t = v.open();
  CHECK(t.find("") == -1);
  CHECK(t.find("ab") == 2);
  CHECK(t.find("abc") == -1);
  CHECK(t.find("b") == 1);
}

}  // namespace sluice
