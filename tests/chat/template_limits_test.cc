// SPDX-License-Identifier: Apache-2.0
// Templates come with models from anywhere: whatever they say, rendering ends soon, in bounded memory, with an error.
#include "runtime/chat/chat_template.h"
#include "support/catch.h"

namespace sluice {
namespace {

std::string render(const std::string& text, const TemplateLimits& limits = {}) {
  Result<ChatTemplate> parsed = ChatTemplate::parse(text, limits);
  if (!parsed.ok()) return parsed.error().message;
  Result<std::string> rendered = parsed->render(jinja::make_dict({}));
  return rendered.ok() ? *rendered : rendered.error().message;
}

bool refused(const std::string& text, const std::string& why) {
  std::string message = render(text);
  INFO(text.substr(0, 200) << "\n" << message.substr(0, 200));
  CHECK(message.find(why) != std::string::npos);
  return message.find(why) != std::string::npos;
}

std::string repeated(const std::string& s, size_t n) {
  std::string all;
  while (n-- > 0) all += s;
  return all;
}

}  // namespace

TEST_CASE("steps are bounded", "[chat]") {
  TemplateLimits limits;
  limits.max_steps = 100;
  CHECK(render("{% for i in range(10) %}{{ i }}{% endfor %}", limits) == "0123456789");
  CHECK(render("{% for i in range(90) %}{{ i }}{% endfor %}", limits).find("more than 100 steps") != std::string::npos);
  CHECK(refused(repeated("{% for i in range(1000) %}", 10) + repeated("{% endfor %}", 10), "steps"));
}

TEST_CASE("range is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_range = 10;
  CHECK(render("{{ range(10)|length }}", limits) == "10");
  CHECK(render("{{ range(11)|length }}", limits).find("more than 10 items") != std::string::npos);
  CHECK(refused("{{ range(10 ** 9) }}", "range"));
  CHECK(refused("{{ range(-9223372036854775807, 9223372036854775807) }}", "range"));
}

TEST_CASE("output is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_output_bytes = 10;
  CHECK(render("{{ 'abcde' }}{{ 'abcde' }}", limits) == "abcdeabcde");
  CHECK(render("{{ 'abcde' }}{{ 'abcdef' }}", limits).find("longer than 10 bytes") != std::string::npos);
  CHECK(render("{{ 'abcdefghijk' }}", limits).find("longer than 10 bytes") != std::string::npos);
}

TEST_CASE("the template's length is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_template_bytes = 4;
  CHECK(render("abcd", limits) == "abcd");
  CHECK(render("abcde", limits).find("5 bytes long") != std::string::npos);
}

TEST_CASE("nesting is bounded at its limit", "[chat]") {
  TemplateLimits limits;
  limits.max_depth = 8;
  auto nested = [](size_t n) { return "{{ " + repeated("(", n) + "1" + repeated(")", n) + " }}"; };
  CHECK(render(nested(6), limits) == "1");
  CHECK(render(nested(7), limits).find("nested more than 8 deep") != std::string::npos);
  CHECK(refused(nested(100000), "nested"));
  CHECK(refused("{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}", "nested"));
  CHECK(refused(repeated("{% if 1 %}", 20000), "nested"));
  CHECK(refused("{{ 1" + repeated(" if 1", 20000) + " }}", "conditions"));
  CHECK(refused("{{ 1" + repeated(" if 0 else 1", 10000) + " }}", "nested"));
  CHECK(refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "macro calls nest"));
}

TEST_CASE("long chains are no nesting", "[chat]") {
  CHECK(render("{{ 1" + repeated(" + 1", 20000) + " }}") == "20001");
  CHECK(render("{{ 'a'" + repeated(" ~ 'a'", 20000) + " }}").size() == 20001);
  CHECK(render("{{ " + repeated("not ", 20001) + "1 }}") == "False");
  CHECK(render("{{ " + repeated("-", 20001) + "1 }}") == "-1");
  CHECK(render("{{ 'a'" + repeated("|upper", 20000) + " }}") == "A");
  CHECK(render("{{ 1" + repeated(" or 1", 20000) + " }}") == "1");
}

TEST_CASE("values that grow without end are refused", "[chat]") {
  CHECK(refused("{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
                "longer than"));
  CHECK(refused("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}", ""));
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
  CHECK(render("{% set n = namespace() %}{% set n.n = n %}{% set n.l = [n] %}{{ n }}{{ n.l }}") ==
        "<namespace>[<namespace>]");
  CHECK(render("{% set n = namespace() %}{% for i in [1] %}{% macro f() %}{{ n }}{% endmacro %}{% set n.f = f %}{% "
               "endfor %}ok") == "ok");
  CHECK(
      refused("{% set n = namespace() %}{% for i in range(999) %}{% set p = n.f %}{% macro f() %}{% endmacro %}{% set "
              "n.f = f %}{% endfor %}",
              "nested too deeply"));
}

}  // namespace sluice
