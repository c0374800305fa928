// SPDX-License-Identifier: Apache-2.0
// Thousands of damaged templates and random bytes: an error or a text, never a crash or a hang.
#include <random>

#include "runtime/chat/chat_template.h"
#include "runtime/chat/json_reader.h"
#include "support/catch.h"

namespace sluice {
namespace {

const std::string kSeeds[] = {
    R"({%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] | trim + '\n\n' }}{%- set rest = messages[1:] %}{%- endif %})",
    R"({% for m in messages %}{{ '<|' + m.role + '|>\n' ~ m['content'] }}{% if loop.last and add %}{{ loop.previtem.x }}{% endif %}{% else %}x{% endfor %})",
    R"({% macro f(a, b={'k': [1, (2,)]}) -%}{{ a|tojson(indent=2) }}{{ caller() if caller }}{{ f(a-1) if a > 0 }}{%- endmacro %}{% call f(3) %}z{% endcall %})",
    R"({% set ns = namespace(n=0, l=[]) %}{% for k, v in tools[0].items()|list if v is not none %}{% set ns.n = ns.n + 1.5 %}{% set _ = ns.l.append(k) %}{% endfor %}{{ ns.n }}{{ ns.l }})",
    R"({{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join(', ')|upper|replace('A', 'b')|indent(4, true) }}{# c -#})",
    R"({% filter title %}{{ 'a,b'.split(',')[::-1] ~ "%s" % 3 ~ '{}'.format(2) ~ (1 in [1, 2]) ~ 7 // 2 ** 3 % 4 }}{% endfilter %}{% raw %}{{ x }}{% endraw %})",
    R"({% with a = range(20)|batch(3)|list, b = [3, 1]|sort(reverse=true) %}{{ a }}{{ b }}{{ a|length is divisibleby 2 }}{% break %}{% endwith %})"};

}  // namespace

TEST_CASE("damaged templates end in an error or a text", "[chat]") {
  const Result<jinja::Value> context =
      jinja::read_json(R"({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "é"}],
                                       "tools": [{"type": "f", "function": {"name": "g", "parameters": {"a": [1, null]}}}], "add": true})");
  REQUIRE(context.ok());
  TemplateLimits limits;
  limits.max_steps = 20'000;
  limits.max_output_bytes = 100'000;
  std::mt19937 random(5);
  size_t n_rendered = 0, n_refused = 0;
  for (int k = 0; k < 20'000; ++k) {
    std::string text = kSeeds[random() % std::size(kSeeds)];
    for (size_t n = 1 + random() % 4; n > 0; --n) {
      size_t at = random() % (text.size() + 1), length = random() % 12;
      const std::string& other = kSeeds[random() % std::size(kSeeds)];
      size_t from = random() % other.size();
      switch (random() % 5) {
        case 0:
          text.erase(at, length);
          break;
        case 1:
          text.insert(at, other.substr(from, length));
          break;
        case 2:
          text.insert(at, text.substr(random() % (text.size() + 1), length));
          break;
        case 3:
          text.insert(at, 1, char(random()));
          break;
        default:
          text.replace(at, std::min(length, text.size() - at), other.substr(from, length));
          break;
      }
    }
    Result<ChatTemplate> parsed = ChatTemplate::parse(text, limits);
    bool rendered = parsed.ok() && parsed->render(*context).ok();
    ++(rendered ? n_rendered : n_refused);
  }
  CHECK(n_rendered > 1000);
  CHECK(n_refused > 1000);
}

TEST_CASE("random bytes end in an error or a text", "[chat]") {
  std::mt19937 random(6);
  for (int k = 0; k < 5'000; ++k) {
    std::string text;
    static constexpr std::string_view kLikely = "{%}#-+'\"()[]|.,=~ \n1a\\";
    for (size_t n = random() % 60; n > 0; --n)
      text += random() % 4 ? kLikely[random() % kLikely.size()] : char(random());
    Result<ChatTemplate> parsed = ChatTemplate::parse(text);
    if (parsed.ok()) {
      Result<std::string> rendered = parsed->render(jinja::make_dict({}));
      CHECK((!rendered.ok() || rendered->size() <= 3 * text.size() + 100));
    }
  }
}

}  // namespace sluice
