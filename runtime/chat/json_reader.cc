// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/json_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace sluice::jinja {
namespace {

// What nlohmann's parser calls for each piece of the text; false ends the parse.
class Builder {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() { return add(Value::none()); }
  bool boolean(bool b) { return add(Value::boolean(b)); }
  bool number_integer(int64_t i) { return add(Value::integer(i)); }
  bool number_unsigned(uint64_t n) {
    return add(n > uint64_t(INT64_MAX) ? Value::number(double(n)) : Value::integer(int64_t(n)));
  }
  bool number_float(double d, const std::string&) { return add(Value::number(d)); }
  bool string(std::string& s) { return add(Value::string(std::move(s))); }
  bool binary(nlohmann::json::binary_t&) { return refuse("binary data"); }  // text has none
  bool key(std::string& name) { return string(name); }
  bool start_array(size_t) { return open(); }
  bool start_object(size_t) { return open(); }
  bool end_array() {
    Value list = make_list(std::move(open_.back()));
    return close(std::move(list));
  }
  bool end_object() {
    Value dict = dict_of(std::move(open_.back()));
    return close(std::move(dict));
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) {
    offset_ = position > 0 ? position - 1 : 0;  // the parser counts the byte it stumbled over
    return refuse("not valid JSON");
  }

  Value take() { return std::move(whole_); }
  Error error() const { return Error{Code::kUsage, why_, "JSON", offset_}; }

 private:
  bool refuse(std::string why) {
    why_ = std::move(why);
    return false;
  }

  bool count() {
    return ++n_values_ <= limits_.max_values || refuse("more than " + std::to_string(limits_.max_values) + " values");
  }

  bool add(Value v) {
    if (!count()) return false;
    put(std::move(v));
    return true;
  }

  void put(Value v) {
    if (open_.empty())
      whole_ = std::move(v);
    else
      open_.back().push_back(std::move(v));
  }

  bool open() {
    if (!count()) return false;
    if (open_.size() >= limits_.max_depth)
      return refuse("nested more than " + std::to_string(limits_.max_depth) + " deep");
    open_.emplace_back();
    return true;
  }

  bool close(Value v) {
    open_.pop_back();
    put(std::move(v));
    return true;
  }

  // From name, value, name, value…. A name that comes again keeps its first place and takes the last value.
  static Value dict_of(std::vector<Value> flat) {
    const size_t n = flat.size() / 2;
    std::vector<size_t> by_name(n);
    std::iota(by_name.begin(), by_name.end(), size_t{0});
    std::sort(by_name.begin(), by_name.end(), [&](size_t a, size_t b) {
      const int order = flat[2 * a].text().compare(flat[2 * b].text());
      return order != 0 ? order < 0 : a < b;
    });
    std::vector<bool> again(n);
    for (size_t i = 0, first = 0; i < n; ++i) {
      if (flat[2 * by_name[i]].text() != flat[2 * by_name[first]].text()) first = i;
      if (i == first) continue;
      flat[2 * by_name[first] + 1] = std::move(flat[2 * by_name[i] + 1]);
      again[by_name[i]] = true;
    }
    std::vector<std::pair<Value, Value>> items;
    items.reserve(n);
    for (size_t i = 0; i < n; ++i) {
      if (!again[i]) items.emplace_back(std::move(flat[2 * i]), std::move(flat[2 * i + 1]));
    }
    return make_dict(std::move(items));
  }

  const JsonLimits limits_;
  uint64_t n_values_ = 0;
  std::vector<std::vector<Value>> open_;  // the items so far of each list or object not closed yet
  Value whole_;
  std::string why_;
  uint64_t offset_ = kNoOffset;
};

}  // namespace

Result<Value> read_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    return make_error(Code::kUsage, "JSON", kNoOffset, "%zu bytes long, at most %llu are allowed", text.size(),
                      static_cast<unsigned long long>(limits.max_bytes));
  Builder builder(limits);
  const char* const begin = text.data();
  if (!nlohmann::json::sax_parse(begin, begin + text.size(), &builder)) return builder.error();
  return builder.take();
}

std::optional<double> read_number(std::string_view text) {
  const Result<Value> number = read_json(text);
  if (!number.ok() || !(number->is(Kind::kInt) || number->is(Kind::kFloat))) return std::nullopt;
  return number->as_double();
}

}  // namespace sluice::jinja
