// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/lexer.h"

#include <algorithm>

#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {

Error template_error(uint32_t line, const std::string& message) {
  return Error{Code::kBadModel, "line " + std::to_string(line) + ": " + message, "chat template", kNoOffset};
}

namespace {

bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_start(char c) { return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || (uint8_t(c) & 0x80); }
bool name_part(char c) { return name_start(c) || digit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view text) {
    // As Jinja: all line ends are \n, and one at the very end is dropped.
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\r') {
        source_ += '\n';
        i += i + 1 < text.size() && text[i + 1] == '\n';
      } else {
        source_ += text[i];
      }
    }
    if (!source_.empty() && source_.back() == '\n') source_.pop_back();
  }

  Result<std::vector<Token>> run();

 private:
  bool at(std::string_view what) const { return std::string_view(source_).substr(pos_, what.size()) == what; }
  Error error(const std::string& message) const { return template_error(line_, message); }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  // Moves over n bytes, counting lines.
  void advance(size_t n) {
    line_ += uint32_t(std::count(source_.begin() + ptrdiff_t(pos_), source_.begin() + ptrdiff_t(pos_ + n), '\n'));
    pos_ += n;
  }
  void text_before(size_t tag, char sign, bool is_block);
  void after_tag(size_t n, bool dash, bool trim);
  Status comment();
  Result<bool> raw_block();
  Status tag_contents(bool block);
  Result<bool> tag_end(bool block);
  Status quoted();
  void number();

  std::string source_;
  size_t pos_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;  // the last tag ended with a newline
  std::vector<Token> tokens_;
  std::string open_brackets_;
};

// Emits the text up to a tag. lstrip_blocks: blanks between the start of a line and a block or comment go away.
void Lexer::text_before(size_t tag, char sign, bool is_block) {
  std::string_view text = std::string_view(source_).substr(pos_, tag - pos_);
  size_t keep = text.size();
  if (sign == '-') {
    while (keep > 0 && space(text[keep - 1])) --keep;
  } else if (sign != '+' && is_block) {
    size_t line = text.rfind('\n');
    line = line == text.npos ? 0 : line + 1;
    bool blank = line < keep && std::all_of(text.begin() + ptrdiff_t(line), text.end(), space);
    if (blank && (line > 0 || line_starting_)) keep = line;
  }
  if (keep > 0) add(TokenKind::kText, std::string(text.substr(0, keep)));
  advance(tag - pos_);
}

// Moves over the end of a tag (n bytes) and the white space that goes with it.
void Lexer::after_tag(size_t n, bool dash, bool trim) {
  size_t begin = pos_;
  advance(n);
  if (dash) {
    size_t blanks = 0;
    while (pos_ + blanks < source_.size() && space(source_[pos_ + blanks])) ++blanks;
    advance(blanks);
  } else if (trim && at("\n")) {
    advance(1);
  }
  line_starting_ = pos_ > begin && source_[pos_ - 1] == '\n';
}

Status Lexer::comment() {
  size_t end = source_.find("#}", pos_ + 2);
  if (end == source_.npos) return error("a comment {# is not closed");
  char sign = end > pos_ + 2 ? source_[end - 1] : ' ';
  advance(end - pos_);
  after_tag(2, sign == '-', sign != '+');
  return {};
}

// {% raw %} … {% endraw %}: true if there was one here.
Result<bool> Lexer::raw_block() {
  auto blanks = [&](size_t i) {
    while (i < source_.size() && space(source_[i])) ++i;
    return i;
  };
  auto word = [&](size_t i, std::string_view name) { return std::string_view(source_).substr(i, name.size()) == name; };
  size_t i = pos_ + 2;
  if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
  i = blanks(i);
  if (!word(i, "raw")) return false;
  i = blanks(i + 3);
  bool dash = word(i, "-%}");
  if (!dash && !word(i, "%}")) return false;
  advance(i - pos_);
  after_tag(dash ? 3 : 2, dash, false);
  for (size_t tag = pos_; (tag = source_.find("{%", tag)) != source_.npos; ++tag) {
    size_t k = tag + 2;
    char sign = k < source_.size() && (source_[k] == '-' || source_[k] == '+') ? source_[k] : ' ';
    k = blanks(k + (sign != ' '));
    if (!word(k, "endraw")) continue;
    k = blanks(k + 6);
    bool minus = word(k, "-%}"), plus = word(k, "+%}");
    if (!minus && !plus && !word(k, "%}")) continue;
    text_before(tag, sign, true);
    advance(k - pos_);
    after_tag(minus || plus ? 3 : 2, minus, !plus);
    return true;
  }
  return error("{% raw %} is not closed");
}

// The end of a tag, if it is here.
Result<bool> Lexer::tag_end(bool block) {
  if (!open_brackets_.empty()) return false;
  char sign = source_[pos_] == '-' || (block && source_[pos_] == '+') ? source_[pos_] : ' ';
  std::string_view rest = std::string_view(source_).substr(pos_ + (sign != ' '), 2);
  if (rest != (block ? "%}" : "}}")) return false;
  add(block ? TokenKind::kBlockEnd : TokenKind::kOutputEnd, "");
  after_tag(2 + (sign != ' '), sign == '-', block && sign != '+');
  return true;
}

Status Lexer::quoted() {
  char quote = source_[pos_];
  std::string out;
  size_t i = pos_ + 1;
  auto code_point = [&](size_t digits, int base) {
    uint32_t c = 0;
    size_t n = 0;
    for (; n < digits && i + n < source_.size(); ++n) {
      char d = char(source_[i + n] | 0x20);
      int value = digit(source_[i + n]) ? source_[i + n] - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : 99;
      if (value >= base) break;
      c = c * uint32_t(base) + uint32_t(value);
    }
    i += n;
    bool whole = (n == digits || base == 8) && c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
    if (whole) append_utf8(c, out);
    return whole;
  };
  for (; i < source_.size() && source_[i] != quote;) {
    char c = source_[i++];
    if (c != '\\') {
      out += c;
      continue;
    }
    if (i == source_.size()) break;
    static constexpr std::string_view kLetters = "ntr\\'\"abfv", kMeanings = "\n\t\r\\'\"\a\b\f\v";
    char e = source_[i++];
    size_t known = kLetters.find(e);
    if (known != kLetters.npos) {
      out += kMeanings[known];
    } else if (e == 'x' || e == 'u' || e == 'U') {
      if (!code_point(e == 'x' ? 2 : e == 'u' ? 4 : 8, 16))
        return error("a \\" + std::string(1, e) + " escape is not valid");
    } else if (e >= '0' && e <= '7') {
      --i;
      code_point(3, 8);
    } else if (e != '\n') {
      out += '\\';
      out += e;
    }
  }
  if (i >= source_.size()) return error("a string is not closed");
  add(TokenKind::kString, std::move(out));
  advance(i + 1 - pos_);
  return {};
}

void Lexer::number() {
  size_t i = pos_;
  bool is_float = false;
  std::string digits;
  auto take = [&] {
    for (; i < source_.size() &&
           (digit(source_[i]) || (source_[i] == '_' && i + 1 < source_.size() && digit(source_[i + 1])));
         ++i) {
      if (source_[i] != '_') digits += source_[i];
    }
  };
  auto digit_at = [&](size_t k) { return k < source_.size() && digit(source_[k]); };
  take();
  if (i < source_.size() && source_[i] == '.' && digit_at(i + 1)) {
    is_float = true;
    digits += source_[i++];
    take();
  }
  if (i < source_.size() && (source_[i] | 0x20) == 'e') {
    size_t sign = i + 1 < source_.size() && (source_[i + 1] == '+' || source_[i + 1] == '-');
    if (digit_at(i + 1 + sign)) {
      is_float = true;
      digits += source_.substr(i, 1 + sign);
      i += 1 + sign;
      take();
    }
  }
  add(is_float ? TokenKind::kFloat : TokenKind::kInteger, std::move(digits));
  advance(i - pos_);
}

// The tokens of one {{ … }} or {% … %} up to its end.
Status Lexer::tag_contents(bool block) {
  static constexpr std::string_view kLong[] = {"**", "//", "==", "!=", "<=", ">="};
  open_brackets_.clear();
  for (;;) {
    while (pos_ < source_.size() && space(source_[pos_])) advance(1);
    if (pos_ >= source_.size()) return error(block ? "a {% is not closed" : "a {{ is not closed");
    SLUICE_TRY(bool ended, tag_end(block));
    if (ended) return {};
    char c = source_[pos_];
    if (c == '"' || c == '\'') {
      SLUICE_DO(quoted());
    } else if (digit(c)) {
      number();
    } else if (name_start(c)) {
      size_t n = 1;
      while (pos_ + n < source_.size() && name_part(source_[pos_ + n])) ++n;
      add(TokenKind::kName, source_.substr(pos_, n));
      advance(n);
    } else {
      size_t n = 1;
      for (std::string_view op : kLong) {
        if (at(op)) n = 2;
      }
      if (n == 1 && std::string_view("+-*/%~[](){}<>=.:|,;").find(c) == std::string_view::npos) {
        return error("unexpected character '" + std::string(1, c) + "'");
      }
      if (c == '(' || c == '[' || c == '{') {
        open_brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
      } else if (c == ')' || c == ']' || c == '}') {
        if (open_brackets_.empty() || open_brackets_.back() != c)
          return error("unexpected '" + std::string(1, c) + "'");
        open_brackets_.pop_back();
      }
      add(TokenKind::kOperator, source_.substr(pos_, n));
      advance(n);
    }
  }
}

Result<std::vector<Token>> Lexer::run() {
  while (pos_ < source_.size()) {
    size_t tag = pos_;
    char kind = 0;
    while ((tag = source_.find('{', tag)) != source_.npos) {
      kind = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
      if (kind == '{' || kind == '%' || kind == '#') break;
      ++tag;
    }
    if (tag == source_.npos) {
      add(TokenKind::kText, source_.substr(pos_));
      pos_ = source_.size();
      break;
    }
    char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    text_before(tag, sign, kind != '{');
    if (kind == '#') {
      SLUICE_DO(comment());
      continue;
    }
    if (kind == '%') {
      SLUICE_TRY(bool raw, raw_block());
      if (raw) continue;
    }
    add(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kOutputBegin, "");
    // "{{+" is an output of a positive number; only blocks know the plus sign.
    advance(sign == '-' || (sign == '+' && kind == '%') ? 3 : 2);
    SLUICE_DO(tag_contents(kind == '%'));
  }
  add(TokenKind::kEnd, "");
  return std::move(tokens_);
}

}  // namespace

Result<std::vector<Token>> lex(std::string_view text) { return Lexer(text).run(); }

}  // namespace sluice::jinja
