// SPDX-License-Identifier: Apache-2.0
// Templates come with models from anywhere: whatever they say, rendering ends soon, in bounded memory, with an error.
#include <algorithm>
#include <random>

#include "runtime/chat/chat_template.h"
#include "runtime/chat/strings.h"
#include "support/catch.h"

namespace sluice {
namespace {

Result<std::string> render(const std::string& text, const TemplateLimits& limits = {}) {
  SLUICE_TRY(ChatTemplate parsed, ChatTemplate::parse(text, limits));
  return parsed.render(jinja::make_dict({}));
}

std::string shown(const std::string& text, const TemplateLimits& limits = {}) {
  Result<std::string> rendered = render(text, limits);
  INFO(text.substr(0, 200));
  REQUIRE(rendered.ok());
  return *rendered;
}

bool refused(const std::string& text, const std::string& why, const TemplateLimits& limits = {}) {
  REQUIRE(!why.empty());
  const Result<std::string> rendered = render(text, limits);
  INFO(text.substr(0, 200) << "\n" << (rendered.ok() ? rendered->substr(0, 200) : rendered.error().message));
  CHECK(!rendered.ok());
  return !rendered.ok() && rendered.error().message.find(why) != std::string::npos;
}

// The fewest steps a template ends with.
uint64_t steps_of(const std::string& text) {
  TemplateLimits limits;
  uint64_t too_few = 0, enough = limits.max_steps;
  while (enough - too_few > 1) {
    limits.max_steps = too_few + (enough - too_few) / 2;
    (render(text, limits).ok() ? enough : too_few) = limits.max_steps;
  }
  return enough;
}

std::string repeated(const std::string& s, size_t n) {
  std::string all;
  while (n-- > 0) all += s;
  return all;
}

// Each on a text `s` with a `w` that nearly occurs everywhere in it.
const char* const kUses[] = {"w in s",
                             "s.split(w)",
                             "s.rsplit(w)",
                             "s.replace(w, 'x')",
                             "s|replace(w, 'x')",
                             "s.count(w)",
                             "s.find(w)",
                             "s.rfind(w)",
                             "s.partition(w)",
                             "s.rpartition(w)",
                             "s.strip(w)",
                             "s|trim(w)",
                             "s.split()",
                             "s.splitlines()",
                             "s.upper()",
                             "s|title",
                             "s|lower",
                             "s|capitalize",
                             "s.isalpha()",
                             "s is lower",
                             "s|wordcount",
                             "s|length",
                             "s|indent",
                             "s|escape",
                             "s|tojson",
                             "[s]|string",
                             "s|int",
                             "s[-1]",
                             "s[5:7]",
                             "s.startswith((s, s))",
                             "s == s ~ ''",
                             "s < s ~ 'b'",
                             "s ~ s",
                             "s + s",
                             "s * 2",
                             "s.format()",
                             "s % ()",
                             "s.ljust(9)",
                             "s|center(9)",
                             "[s ~ 'b', s]|sort",
                             "[s ~ 'b', s]|unique|list",
                             "[s, s ~ 'b']|max",
                             "[{'k': s}]|groupby('k')",
                             "('\"' ~ s ~ '\"')|from_json",
                             "[s]|join",
                             "[s]|join(s)",
                             "s.join(['a', 'b'])",
                             "s|safe + '<'",
                             "s|safe|e",
                             "s|forceescape",
                             "s.title()",
                             "s.swapcase()",
                             "s.istitle()",
                             "s.find('b', 1, 9)",
                             "s.rindex('a')",
                             "s.startswith('a', 1)",
                             "s.center(9)",
                             "s.removeprefix(s)",
                             "s.splitlines(true)",
                             "'%s' % s",
                             "'%r' % s",
                             "'%.3s' % s",
                             "'{}'.format(s)",
                             "'{!r:>9}'.format(s)",
                             "s|format",
                             "s|truncate(9)",
                             "s|urlencode",
                             "{'k': s}|urlencode",
                             "[s]|sort(attribute=w)",
                             "{s: 1}.get(s ~ '')"};

}  // namespace

TEST_CASE("steps are bounded", "[chat]") {
  TemplateLimits limits;
  limits.max_steps = 100;
  CHECK(shown("{% for i in range(10) %}{{ i }}{% endfor %}", limits) == "0123456789");
  CHECK(refused("{% for i in range(90) %}{{ i }}{% endfor %}", "more than 100 steps", limits));
  CHECK(refused(repeated("{% for i in range(1000) %}", 10) + repeated("{% endfor %}", 10), "steps"));
}

TEST_CASE("range is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_range = 10;
  CHECK(shown("{{ range(10)|length }}", limits) == "10");
  CHECK(refused("{{ range(11)|length }}", "more than 10 items", limits));
  CHECK(refused("{{ range(10 ** 9) }}", "range"));
  CHECK(refused("{{ range(-9223372036854775807, 9223372036854775807) }}", "range"));
}

TEST_CASE("output is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_output_bytes = 10;
  CHECK(shown("{{ 'abcde' }}{{ 'abcde' }}", limits) == "abcdeabcde");
  CHECK(refused("{{ 'abcde' }}{{ 'abcdef' }}", "longer than 10 bytes", limits));
  CHECK(refused("{{ 'abcdefghijk' }}", "longer than 10 bytes", limits));
}

TEST_CASE("the template's length is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_template_bytes = 4;
  CHECK(shown("abcd", limits) == "abcd");
  CHECK(refused("abcde", "5 bytes long", limits));
}

TEST_CASE("nesting is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_depth = 8;
  auto nested = [](size_t n) { return "{{ " + repeated("(", n) + "1" + repeated(")", n) + " }}"; };
  CHECK(shown(nested(6), limits) == "1");
  CHECK(refused(nested(7), "nested more than 8 deep", limits));
  CHECK(refused(nested(100000), "nested"));
  CHECK(refused("{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}", "nested"));
  CHECK(refused(repeated("{% if 1 %}", 20000), "nested"));
  CHECK(refused("{{ 1" + repeated(" if 1", 20000) + " }}", "conditions"));
  CHECK(refused("{{ 1" + repeated(" if 0 else 1", 10000) + " }}", "nested"));
  CHECK(refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "macro calls nest"));
}

TEST_CASE("long chains are no nesting", "[chat]") {
  CHECK(shown("{{ 1" + repeated(" + 1", 20000) + " }}") == "20001");
  CHECK(shown("{{ 'a'" + repeated(" ~ 'a'", 20000) + " }}").size() == 20001);
  CHECK(shown("{{ " + repeated("not ", 20001) + "1 }}") == "False");
  CHECK(shown("{{ " + repeated("-", 20001) + "1 }}") == "-1");
  CHECK(shown("{{ 'a'" + repeated("|upper", 20000) + " }}") == "A");
  CHECK(shown("{{ 1" + repeated(" or 1", 20000) + " }}") == "1");
}

TEST_CASE("values that grow without end are refused", "[chat]") {
  CHECK(refused("{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
                "longer than"));
  CHECK(
      refused("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}", "steps"));
  CHECK(refused("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}",
                "too large"));
  CHECK(refused("{% set n = namespace(s=[1]) %}{% for i in range(999) %}{% set n.s = [n.s] %}{% endfor %}",
                "nested too deeply"));
  CHECK(refused("{% set n = namespace(s={}) %}{% for i in range(999) %}{% set n.s = {1: n.s} %}{% endfor %}",
                "nested too deeply"));
  CHECK(refused("{{ 'abc' * 10 ** 12 }}", "too long"));
  CHECK(refused("{{ [1] * 10 ** 12 }}", "too long"));
  CHECK(refused("{{ ('a' * 100000).replace('', 'b' * 100000) }}", "too long"));
  CHECK(refused("{{ 'a'.ljust(10 ** 12) }}{{ 'a'|center(10 ** 12) }}", "too large"));
  CHECK(refused("{{ ('a\n' * 100000)|indent(1000) }}", "too long"));
  CHECK(refused("{{ 2 ** 1000000000 }}", "too large"));
  CHECK(refused("{{ ['a' * 100000]|batch(10 ** 9, 'b')|list }}", "steps"));
}

TEST_CASE("namespaces and macros that refer to each other in circles are no leak and no endless print", "[chat]") {
  CHECK(shown("{% set n = namespace() %}{% set n.n = n %}{% set n.l = [n] %}{{ n }}{{ n.l }}") ==
        "<namespace>[<namespace>]");
  CHECK(shown("{% set n = namespace() %}{% for i in [1] %}{% macro f() %}{{ n }}{% endmacro %}{% set n.f = f %}{% "
              "endfor %}ok") == "ok");
  CHECK(
      refused("{% set n = namespace() %}{% for i in range(999) %}{% set p = n.f %}{% macro f() %}{% endmacro %}{% set "
              "n.f = f %}{% endfor %}",
              "nested too deeply"));
}

TEST_CASE("whatever walks over a long text costs steps in proportion to its length", "[chat]") {
  for (const char* use : kUses) {
    auto with_bytes = [&](int n) {
      return "{% set s = 'a' * " + std::to_string(2 * n) + " %}{% set w = 'a' * " + std::to_string(n) +
             " ~ 'b' %}{% set x = " + use + " %}";
    };
    INFO(use);
    // Making s and w takes 8 bytes' work or less.
    const uint64_t shorter = steps_of(with_bytes(40'000)), longer = steps_of(with_bytes(80'000));
    const uint64_t made = steps_of("{% set s = 'a' * 80000 %}{% set w = 'a' * 40000 ~ 'b' %}");
    CHECK(shorter >= made + 80'000 / 256);
    CHECK(longer >= 2 * shorter - 100);
    CHECK(longer <= 2 * shorter + 100);
  }
}

TEST_CASE("whatever is done again and again to a text of 4 MB ends at the limit of steps", "[chat]") {
  TemplateLimits limits;
  limits.max_steps = 250'000;
  for (const char* use : kUses) {
    CHECK(refused("{% set s = 'a' * 4000000 %}{% set w = 'a' * 2000000 ~ 'b' %}{% for i in range(50000) %}{% set x = " +
                      std::string(use) + " %}{% endfor %}",
                  "more than 250000 steps", limits));
  }
}

TEST_CASE("what takes the square of a length is refused early", "[chat]") {
  auto dict = [](const char* name, const std::string& before, const std::string& after) {
    return "{% set " + std::string(name) + " = ('{" + before + "\"k' ~ (range(20000)|join('\":1,\"k')) ~ '\":1" +
           after + "}')|from_json %}";
  };
  const std::string front = dict("a", "\"x\":1,", ""), back = dict("b", "", ",\"x\":1");
  CHECK(shown(front + "{{ a|length }}{{ a == a }}") == "20001True");
  CHECK(refused(front + back + "{{ a == b }}", "steps"));
  CHECK(refused(front + "{% for i in range(20000) %}{{ a.none_such }}{% endfor %}", "steps"));
  CHECK(refused(front + "{% for i in range(20000) %}{{ 'none' in a }}{% endfor %}", "steps"));
  CHECK(refused(front + "{% for i in range(20000) %}{{ a.get('none') }}{% endfor %}", "steps"));
  CHECK(shown("{% set l = range(1000)|list %}{% for i in range(999) %}{% set x = l.pop(0) %}{% endfor %}{{ l }}") ==
        "[999]");
  CHECK(refused("{% set l = range(100000)|list %}{% for i in range(90000) %}{% set x = l.pop(0) %}{% endfor %}",
                "steps"));
  CHECK(refused("{{ range(100000)|unique|list|length }}", "steps"));
  CHECK(refused("{% set l = range(100000) %}{% for i in l %}{{ -1 in l }}{{ l.count(-1) }}{% endfor %}", "steps"));
  CHECK(
      refused("{% set n = namespace() %}{% set n.n = n %}{{ [n]|map(attribute='n.' * 2000000 ~ 'n')|list }}", "steps"));
  CHECK(
      refused("{% set s = 'a' * 4000000 %}"
              "{% for i in range(200) %}{{ ('a' * 3999999 ~ 'b') in s }}{% endfor %}",
              "steps"));
}

TEST_CASE("fields of formats are bounded in width", "[chat]") {
  CHECK(shown("{{ '%65536d' % 1 }}").size() == 65536);
  CHECK(refused("{{ '%65537d' % 1 }}", "cannot be read"));
  CHECK(refused("{{ '%.999f' % 1 }}", "does not suit"));
  CHECK(shown("{{ '{:<65536}'.format(1) }}").size() == 65536);
  CHECK(refused("{{ '{:<65537}'.format(1) }}", "does not suit"));
  CHECK(refused("{{ '{:99999999999999999999}'.format(1) }}", "does not suit"));
  CHECK(refused("{{ '{9999999}'.format(1) }}", "no argument"));
  CHECK(refused("{{ ('%60000d' * 1000) % (1, ) }}", "arguments"));
  CHECK(refused("{% for i in range(9999) %}{% set x = '%60000d' % 1 %}{% endfor %}", "steps"));
}

TEST_CASE("recursive loops end at the limit of nesting", "[chat]") {
  CHECK(refused("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "calls nest more than 64 deep"));
  CHECK(refused("{% set n = namespace() %}{% for x in [1] recursive %}{% set n.l = loop %}{% endfor %}{{ n.l([1]) }}",
                "only the loop variable of a running"));
}

TEST_CASE("JSON that grows by its indentation is bounded", "[chat]") {
  CHECK(
      refused("{% set n = namespace(s=[1] * 100000) %}{% for i in range(150) %}{% set n.s = [n.s] %}{% endfor %}"
              "{{ n.s|tojson(indent=64) }}",
              "too long"));
}

TEST_CASE("a width below zero pads nothing", "[chat]") {
  CHECK(shown("{{ 'a'.ljust(-9223372036854775807 - 1) ~ 'b'.zfill(-1) ~ 'c'|center(-9223372036854775807 - 1) }}") ==
        "abc");
}

TEST_CASE("searches find what the standard library finds, from both ends", "[chat]") {
  std::mt19937 random(7);
  auto letters = [&](size_t n) {
    std::string text;
    while (n-- > 0) text += random() % 4 ? 'a' : 'b';
    return text;
  };
  size_t n_found = 0;
  for (int k = 0; k < 20'000; ++k) {
    const std::string text = letters(random() % 30), what = letters(random() % 8);
    CHECK(jinja::Finder(what).find(text) == text.find(what));
    CHECK(jinja::Finder(what, true).find(text) == text.rfind(what));
    n_found += text.find(what) != text.npos;
    size_t n = 0;
    for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += std::max(what.size(), size_t{1})) ++n;
    CHECK(jinja::occurrences(text, what) == n);
  }
  CHECK(n_found > 5'000);
  CHECK(n_found < 19'000);
}

}  // namespace sluice
