// SPDX-License-Identifier: Apache-2.0
// How Python writes values: str(), repr() and json.dumps(), character for character.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "runtime/chat/value.h"
#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {
namespace {

// repr(float): the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
void print_float(double d, std::string& out, bool json) {
  if (std::isnan(d)) {
    out += json ? "NaN" : "nan";
    return;
  }
  if (std::isinf(d)) {
    out += d < 0 ? "-" : "";
    out += json ? "Infinity" : "inf";
    return;
  }
  char text[40];
  std::to_chars_result end = std::to_chars(text, text + sizeof text, d, std::chars_format::scientific);
  std::string_view s(text, size_t(end.ptr - text));
  if (s[0] == '-') {
    out += '-';
    s.remove_prefix(1);
  }
  size_t e = s.find('e');
  int exponent = atoi(std::string(s.substr(e + 1)).c_str());
  std::string digits(s.substr(0, e));
  digits.erase(std::remove(digits.begin(), digits.end(), '.'), digits.end());
  int n = int(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (n > 1) out += "." + digits.substr(1);
    char tail[8];
    snprintf(tail, sizeof tail, "e%+03d", exponent);
    out += tail;
  } else if (exponent < 0) {
    out += "0." + std::string(size_t(-exponent - 1), '0') + digits;
  } else if (n <= exponent + 1) {
    out += digits + std::string(size_t(exponent + 1 - n), '0') + ".0";
  } else {
    out += digits.substr(0, size_t(exponent) + 1) + "." + digits.substr(size_t(exponent) + 1);
  }
}

void print_hex(std::string_view mark, int digits, uint32_t c, std::string& out) {
  out += mark;
  while (digits-- > 0) out += "0123456789abcdef"[c >> (4 * digits) & 15];
}

void print_quoted(std::string_view s, std::string& out) {
  bool single = s.find('\'') == s.npos || s.find('"') != s.npos;
  char quote = single ? '\'' : '"';
  out += quote;
  while (!s.empty()) {
    if (utf8_length(s) == 0) {
      print_hex("\\x", 2, uint8_t(s[0]), out);
      s.remove_prefix(1);
      continue;
    }
    uint32_t c = take_code_point(s);
    if (c == uint32_t(quote) || c == '\\') {
      out += '\\';
      out += char(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == ' ' || (class_of(c) != 0 && !(class_of(c) & kSpace))) {
      append_utf8(c, out);
    } else {
      print_hex(c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U", c < 0x100 ? 2 : c < 0x10000 ? 4 : 8, c, out);
    }
  }
  out += quote;
}

void print_json_string(std::string_view s, bool ascii, std::string& out) {
  out += '"';
  while (!s.empty()) {
    if (utf8_length(s) == 0) {
      append_utf8(kReplacement, out);
      s.remove_prefix(1);
      continue;
    }
    uint32_t c = take_code_point(s);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (c < 0x20 || (ascii && c > 0x7E && c < 0x10000)) {
          print_hex("\\u", 4, c, out);
        } else if (ascii && c >= 0x10000) {
          print_hex("\\u", 4, 0xD800 + ((c - 0x10000) >> 10), out);
          print_hex("\\u", 4, 0xDC00 + ((c - 0x10000) & 0x3FF), out);
        } else {
          append_utf8(c, out);
        }
    }
  }
  out += '"';
}

void new_line(const JsonStyle& style, int level, std::string& out) {
  if (!style.lines) return;
  out += '\n';
  for (int k = 0; k < level; ++k) out += style.indent;
}

bool print_json_dict(const Dict& dict, const JsonStyle& style, std::string& out, int level) {
  std::vector<std::pair<std::string, const Value*>> items;
  for (const auto& [key, value] : dict.items) {
    std::string name;
    if (key.is(Kind::kString)) {
      name = key.text();
    } else if (!key.numeric() && !key.is(Kind::kNone)) {
      return false;
    } else if (!print_json(key, style, name)) {
      return false;
    }
    items.emplace_back(std::move(name), &value);
  }
  if (style.sort_keys) {
    std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  out += '{';
  for (size_t k = 0; k < items.size(); ++k) {
    if (k) out += style.item_separator;
    new_line(style, level + 1, out);
    print_json_string(items[k].first, style.ascii, out);
    out += style.key_separator;
    if (!print_json(*items[k].second, style, out, level + 1)) return false;
  }
  if (!items.empty()) new_line(style, level, out);
  out += '}';
  return true;
}

void print_items(const std::vector<Value>& items, std::string& out, size_t max_bytes) {
  for (size_t k = 0; k < items.size() && out.size() <= max_bytes; ++k) {
    if (k) out += ", ";
    print_repr(items[k], out, max_bytes);
  }
}

}  // namespace

void print(const Value& v, std::string& out, size_t max_bytes) {
  if (v.is(Kind::kString)) {
    out += v.text();
  } else if (!v.undefined()) {
    print_repr(v, out, max_bytes);
  }
}

void print_repr(const Value& v, std::string& out, size_t max_bytes) {
  switch (v.kind) {
    case Kind::kUndefined:
      out += "Undefined";
      break;
    case Kind::kNone:
      out += "None";
      break;
    case Kind::kBool:
      out += v.b ? "True" : "False";
      break;
    case Kind::kInt:
      out += std::to_string(v.i);
      break;
    case Kind::kFloat:
      print_float(v.d, out, false);
      break;
    case Kind::kString:
      out += v.safe() ? "Markup(" : "";
      print_quoted(v.text(), out);
      out += v.safe() ? ")" : "";
      break;
    case Kind::kList: {
      const List& list = v.list();
      switch (list.list_kind) {
        case ListKind::kList:
          out += "[";
          print_items(list.items, out, max_bytes);
          out += "]";
          break;
        case ListKind::kTuple:
          out += "(";
          print_items(list.items, out, max_bytes);
          out += list.items.size() == 1 ? ",)" : ")";
          break;
        case ListKind::kKeys:
        case ListKind::kValues:
        case ListKind::kItems:
          out += std::string(type_name(v)) + "([";
          print_items(list.items, out, max_bytes);
          out += "])";
          break;
        case ListKind::kGenerator:
          out += "<generator object>";
          break;
      }
      break;
    }
    case Kind::kDict: {
      out += '{';
      bool first = true;
      for (const auto& [key, value] : v.dict().items) {
        if (out.size() > max_bytes) break;
        if (!first) out += ", ";
        first = false;
        print_repr(key, out, max_bytes);
        out += ": ";
        print_repr(value, out, max_bytes);
      }
      out += '}';
      break;
    }
    default:
      out += std::string("<") + type_name(v) + ">";
      break;
  }
}

bool print_json(const Value& v, const JsonStyle& style, std::string& out, int level) {
  if (out.size() > style.max_bytes) return false;
  switch (v.kind) {
    case Kind::kNone:
      out += "null";
      return true;
    case Kind::kBool:
      out += v.b ? "true" : "false";
      return true;
    case Kind::kInt:
      out += std::to_string(v.i);
      return true;
    case Kind::kFloat:
      print_float(v.d, out, true);
      return true;
    case Kind::kString:
      print_json_string(v.text(), style.ascii, out);
      return true;
    case Kind::kDict:
      return print_json_dict(v.dict(), style, out, level);
    case Kind::kList: {
      const List& list = v.list();
      if (list.list_kind != ListKind::kList && list.list_kind != ListKind::kTuple) return false;
      out += '[';
      for (size_t k = 0; k < list.items.size(); ++k) {
        if (k) out += style.item_separator;
        new_line(style, level + 1, out);
        if (!print_json(list.items[k], style, out, level + 1)) return false;
      }
      if (!list.items.empty()) new_line(style, level, out);
      out += ']';
      return true;
    }
    default:
      return false;
  }
}

}  // namespace sluice::jinja
