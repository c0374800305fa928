// SPDX-License-Identifier: Apache-2.0
// The template language, piece by piece. Every expected text was printed by Python's jinja2 3.1 with the settings of
// transformers (trim_blocks, lstrip_blocks, its tojson).
#include <cstdlib>
#include <ctime>

#include "runtime/chat/chat_template.h"
#include "runtime/chat/json_reader.h"
#include "support/catch.h"

namespace sluice {
namespace {

jinja::Value context() {
  const auto read = jinja::read_json(R"({"bos_token": "<s>", "xs": [3, 1, 2],
    "m": {"b": 1, "a": [true, null, 1.5], "items": 7}, "text": "It's \"ü\"\n",
    "users": [{"name": "bo", "age": 3}, {"name": "Al", "age": 2}]})");
  REQUIRE(read.ok());
  return *read;
}

constexpr int64_t kNow = 1'767'441'845;  // 2026-01-03 12:04:05 UTC

struct Row {
  const char* text;
  const char* rendered;
};

const Row kRows[] = {
    {R"({{ xs }} {{ m }} {{ text|tojson }} {{ [text] }} {{ (1,) }} {{ () }} {{ {} }} {{ {1: 'x'} }})",
     R"([3, 1, 2] {'b': 1, 'a': [True, None, 1.5], 'items': 7} "It's \"ü\"\n" ['It\'s "ü"\n'] (1,) () {} {1: 'x'})"},
    {R"({{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7.5 % -2 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 10 - 3 - 2 }} {{ 1 + 2 * 3 }})",
     R"(3 -4 2 -0.5 3.5 1024 0.5 5 7)"},
    {R"({{ 1e20 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e-7 }} {{ 1e16 }} {{ 123456789012345680.0 }} {{ 0.0001 }} {{ -0.0 }} {{ 1_000 }})",
     R"(1e+20 1.0 0.30000000000000004 1e-07 1e+16 1.2345678901234568e+17 0.0001 -0.0 1000)"},
    {R"({{ 'a' ~ 1 ~ none ~ [1] }} {{ 2 * 3 ~ 4 }} {{ 'x' * 3 }} {{ [1, 2] + [3] }} {{ [0] * 2 }} {{ 'a' 'b' }})",
     R"(a1None[1] 64 xxx [1, 2, 3] [0, 0] ab)"},
    {R"({{ 'abcdef'[1:-1:2] }} {{ 'añc'[::-1] }} {{ xs[-2:] }} {{ xs[5:] }} {{ 'añc'[1] }} {{ xs[-1] }} [{{ xs[9] }}])",
     R"(bd cña [1, 2] [] ñ 2 [])"},
    {R"({{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' in 'abc' }} {{ 3 not in [1, 2] }} {{ 'b' in m }} {{ [1, 2] < [1, 3] }})",
     R"(True False True True True True True True)"},
    {R"({{ not true and false or 5 }} {{ 0 or '' or 'z' }} {{ 1 and 2 }} {{ not not 1 }} {{ 'x' if 0 else 'y' }} [{{ 'a' if false }}] {{ 1 if 0 else 2 if 0 else 3 }})",
     R"(5 z 2 True y [] 3)"},
    {R"({% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %})",
     R"(103TrueFalse31;212FalseFalse332;321FalseTrue31;)"},
    {R"({% for x in xs if x > 1 %}{{ x }}/{{ loop.length }} {% else %}none{% endfor %}{% for x in [] %}{% else %}empty{% endfor %}{% for k, v in m.items() %}{{ k }}{% endfor %})",
     R"(3/2 2/2 emptybaitems)"},
    {R"({% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %} {{ range(5, 1, -2)|list }} {% for c in 'aé' %}{{ c }}.{% endfor %})",
     R"(0134 [5, 3] a.é.)"},
    {R"({% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }})",
     R"(2 3 19)"},
    {R"({% set ns = namespace(n=0, s='') %}{% for x in xs %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}{% set a, b = (1, 2) %}{{ b }}{{ a }})",
     R"(621)"},
    {R"({% macro f(a, b='d', c=none) %}[{{ a }}|{{ b }}|{{ c }}{% if caller %}{{ caller() }}{% endif %}]{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}{{ f() }}{% call f('z') %}body{% endcall %})",
     R"([1|d|None][1|d|3][|d|None][z|d|Nonebody])"},
    {R"({% macro down(n) %}{{ n }}{% if n > 0 %}{{ down(n - 1) }}{% endif %}{% endmacro %}{{ down(3) }})", R"(3210)"},
    {R"({% set b | upper %}some {{ 'text' }}{% endset %}{{ b }} {% filter replace('o', '0') %}foo{% endfilter %} {% with p=1, q=2 %}{{ p + q }}{% endwith %})",
     R"(SOME TEXT f00 3)"},
    {R"({{ m.b }} {{ m['a'][2] }} {{ m['items'] }} {{ m.get('zz', 5) }} {{ m.get('zz') }} {{ m.keys()|list }} [{{ m.zz }}] {{ m.zz is defined }})",
     R"(1 1.5 7 5 None ['b', 'a', 'items'] [] False)"},
    {R"({{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ ' a b  c '.split(none, 1) }} {{ 'a.b.c'.rsplit('.', 1) }} {{ 'a\nb\r\nc'.splitlines() }})",
     R"(['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b c'] ['a', 'b  c '] ['a.b', 'c'] ['a', 'b', 'c'])"},
    {R"({{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} [{{ ' x '.strip() }}] {{ 'xxabxx'.lstrip('x') }} {{ 'a-b-c'.replace('-', '+', 1) }} {{ 'abc'.find('z') }} {{ ', '.join(['1', '2']) }})",
     R"(True True [x] abxx a+b-c -1 1, 2)"},
    {R"({{ '{} {0} {n}'.replace('{} ', '').format(1, n='b') }} {{ '%s-%d%%' % ('a', 3) }} {{ '%s' | format('z') }} {{ 'a=b'.partition('=') }} {{ 'Ab'.upper() }} {{ '7'.zfill(3) }})",
     R"(1 b a-3% z ('a', '=', 'b') AB 007)"},
    {R"({{ 'hello wORLD-foo'|title }} {{ 'hELLO'|capitalize }} {{ 'ÀÉß'|lower }} {{ 'éß'|upper }} {{ "Привет"|upper }} [{{ ' x '|trim }}] {{ 'aXbX'|replace('X', 'y') }})",
     R"(Hello World-Foo Hello àéß ÉSS ПРИВЕТ [x] ayby)"},
    {R"({{ xs|sort }} {{ ['b', 'A', 'c']|sort(reverse=true) }} {{ users|sort(attribute='age')|map(attribute='name')|join(',') }} {{ [1, 1, 2]|unique|list }} {{ m|dictsort }} {{ xs|max }}{{ xs|min }}{{ xs|sum }})",
     R"([1, 2, 3] ['c', 'b', 'A'] Al,bo [1, 2] [('a', [True, None, 1.5]), ('b', 1), ('items', 7)] 316)"},
    {R"({{ users|selectattr('name', 'equalto', 'bo')|list|length }} {{ users|rejectattr('age', 'gt', 2)|map(attribute='name')|first }} {{ xs|select('odd')|list }} {{ none|selectattr('x')|list }})",
     R"(1 Al [3, 1] [])"},
    {R"({{ xs|first }}{{ xs|last }} {{ 'abc'|reverse }} {{ xs|reverse|list }} {{ xs|length }}{{ 'añ'|length }}{{ undefined|length }} {{ m|items|list|length }} {{ xs|batch(2)|list }})",
     R"(32 cba [2, 1, 3] 320 3 [[3, 1], [2]])"},
    {R"({{ nothing|default('d') }} {{ ''|default('e', true) }} [{{ nothing }}] {{ '42'|int + 1 }} {{ 'x'|int(7) }} {{ 3.7|int }} {{ '4.5'|float }} {{ 2.567|round(2) }} {{ 2.5|round }} {{ -3|abs }} {{ 5|string + '!' }})",
     R"(d e [] 43 7 3 4.5 2.57 2.0 3 5!)"},
    {R"({{ {'a': [1, {'b': 'ü\n'}], 'e': [], 'f': {}}|tojson(indent=2) }} {{ {'b': 1, 'a': 0.5}|tojson(sort_keys=true) }} {{ [none, true]|tojson(separators=(',', ':')) }})",
     R"({
  "a": [
    1,
    {
      "b": "ü\n"
    }
  ],
  "e": [],
  "f": {}
} {"a": 0.5, "b": 1} [null,true])"},
    {R"({{ 'a\nb\n\nc'|indent(2) }}|{{ 'a\nb'|indent(2, true) }}|{{ 'x'|center(5) }}|{{ '<a>'|e }}|{{ 'a b'|wordcount }})",
     R"(a
  b

  c|  a
  b|  x  |&lt;a&gt;|2)"},
    {R"({{ 5 is odd }} {{ 4 is divisibleby 2 }} {{ 'a' is string }} {{ m is mapping }} {{ xs is sequence }} {{ xs is iterable }} {{ true is boolean }} {{ none is none }} {{ nothing is not defined }} {{ 1 is in [1] }} {{ 1.5 is number }} {{ 'a' is eq 'a' }})",
     R"(True True True True True True True True True True True True)"},
    {R"({% for n in [[1, [[2, []], [3, []]]], [4, []]] recursive %}{{ loop.depth }}:{{ n[0] }}[{{ loop(n[1]) }}]{% endfor %}{% for a in xs %}{% for b in xs %}{{ loop.depth }}{% endfor %}{% endfor %})",
     R"(1:1[2:2[]2:3[]]1:4[]111111111)"},
    {R"({% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, z=4) }}{{ f(*xs) }}{{ f(**{'a': 'A', 'q': 0}) }}{{ dict(m, **{'c': 2}) }})",
     R"(1(2, 3){'z': 4}3(1, 2){}A(){'q': 0}{'b': 1, 'a': [True, None, 1.5], 'items': 7, 'c': 2})"},
    {R"({{ '<b>'|e ~ '<' }} {{ '<i>'|safe + '<' + 1|string }} {{ '%s & %s'|e|format('<', '>'|safe) }} {{ ('<'|e).join(['&', 'x']) }} {{ ['<'|e] }} {{ '<'|e|e }}{{ '<'|e|forceescape }})",
     R"(&lt;b&gt;< <i>&lt;1 &lt; &amp; > &amp;&lt;x [Markup('&lt;')] &lt;&amp;lt;)"},
    {R"({{ '%5.2f|%-6d|%06.1f|%+d|%x|%#o|%e|%.3g|%10s|%.2s|%c|%r|%%' % (3.14159, 42, -2.55, 7, 255, 8, 12345.678, 0.00012345, 'ab', 'xyz', 'q', 'r') }}{{ '%(a)s-%(b)03d' % {'a': 1, 'b': 2} }})",
     R"( 3.14|42    |-002.5|+7|ff|0o10|1.234568e+04|0.000123|        ab|xy|q|'r'|%1-002)"},
    {R"({{ '{:>6}|{:<6}|{:^6}|{:*^7}|{:06.2f}|{:,}|{:x}|{:+}|{!r}|{:.1%}'.format('a', 'b', 'c', 'd', 3.14159, 1234567, 255, 5, 'q', 0.256) }}{{ '{0[name]}{1}'.format(users[0], 9) }})",
     R"(     a|b     |  c   |***d***|003.14|1,234,567|ff|+5|'q'|25.6%bo9)"},
    {R"({{ '{:010,}|{:09,}|{:08,}|{:012,}|{:015,.2f}|{:010,}|{:012,.1%}'.format(1234567, 1234567, 1234567, 1234567, -1234.5, -1, 0.5) }} {{ '{:#012_x}|{:012_x}'.format(65535, 65535) }})",
     R"(01,234,567|1,234,567|1,234,567|0,001,234,567|-000,001,234.50|-0,000,001|0,000,050.0% 0x0_0000_ffff|00_0000_ffff)"},
    {R"({{ '{:<05d}|{:>05d}|{:^05}|{:*<05}|{:=05}'.format(7, 7, 7, 7, -7) }} {{ '{:<05}|{:05}|{:>05}|{:*<3}'.format('a', 'a', 'a', 'a') }})",
     R"(70000|00007|00700|7****|-0007 a0000|a0000|0000a|a**)"},
    {R"({{ '½²٣'.isnumeric() }} {{ '½'.isdigit() }} {{ '½'.isdecimal() }} {{ '²①'.isdigit() }} {{ '²'.isdecimal() }} {{ '٣7'.isdecimal() }} {{ 'Ⅷ'.isdigit() }} {{ ''.isdigit() }})",
     R"(True False False True False True False False)"},
    {R"({{ '1_0'|float }} {{ ' 12_000 '|int }} {{ 'nan'|float }} {{ '-Infinity'|float }} {{ '1__0'|int }} {{ '_1'|int(5) }} {{ '007'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ '1e999'|float }} {{ '.'|float }} {{ '1e'|float(2) }})",
     R"(10.0 12000 nan -inf 0 5 7.0 0.5 5.0 inf 0.0 2)"},
    {R"({{ '0x1F'|int(0, 16) }} {{ '0b11'|int(0, 0) }} {{ '0x_f'|int(0, 16) }} {{ '12'|int(0, 99) }} {{ 'z'|int('d') }} {{ '1e3'|int }} {{ 'inf'|int(4) }} {{ '٣'|int }} {{ '12½'|int(7) }} {{ '1٣.٥'|float }})",
     R"(31 3 15 12 d 1000 4 3 7 13.5)"},
    {R"({{ 'one two three four'|truncate(11) }}|{{ 'one two three four'|truncate(11, true) }}|{{ 'short'|truncate(3, leeway=5) }}|{{ range(7)|slice(3, 0)|list }}|{{ 'a b/ü?'|urlencode }}|{{ {'k y': 'ü'}|urlencode }})",
     R"(one two...|one two ...|short|[[0, 1, 2], [3, 4, 0], [5, 6, 0]]|a%20b/%C3%BC%3F|k+y=%C3%BC)"},
    {R"({{ users|sort(attribute='age,name')|map(attribute='name')|list }}{{ [[2, 'b'], [1, 'c'], [1, 'a']]|sort }}{{ [none, none]|sort }}{{ m.keys() }}{{ m|attr('b') }}{{ 25|round(-1) }}{{ 7|round(2) }})",
     R"(['Al', 'bo'][[1, 'a'], [1, 'c'], [2, 'b']][None, None]dict_keys(['b', 'a', 'items'])207)"},
    {R"({{ 'hello'.find('l', 3) }}{{ 'hello'.count('l', 0, 3) }}{{ 'a-b'.center(7, '*') }}{{ 'aB'.swapcase() }}{{ 'they re-do'.title() }}{{ 'they re-do'|title }}{{ 'a\nb\n'.splitlines(true) }}{{ 'xyz'.startswith('y', 1) }})",
     R"(31**a-b**AbThey Re-DoThey Re-Do['a\n', 'b\n']True)"},
    {R"({% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{% filter upper %}{% set x = 3 %}a{{ x }}{% endfilter %}{% generation %}{% set x = 4 %}{{ x }}{% endgeneration %}{{ x }}{{ y }})",
     R"(A3412)"},
    {R"({% set l = [] %}{% for u in users %}{% set _ = l.append(u) %}{% set _ = l.append([1]) %}{% endfor %}{{ l }})",
     R"([{'name': 'bo', 'age': 3}, [1], {'name': 'Al', 'age': 2}, [1]])"},
    {R"({{ strftime_now('%d %b %Y|%-d.%-m.|%H:%M:%S|%A|%j|%%') }})", R"(03 Jan 2026|3.1.|12:04:05|Saturday|003|%)"},
    {R"({{ "tab\there" }} {{ 'q\'q' }} {{ "\x41\u00e9\\" }} {{ 'multi
line' }} {% raw %}{{ raw }} {% x %}{% endraw %} {{ '{{' }}{# gone #}.)",
     R"(tab	here q'q Aé\ multi
line {{ raw }} {% x %} {{.)"},
    {R"(a
  {% if true %}
    b
  {% endif %}
  {{ 'c' }}
{%- if true -%}   tight   {%- endif -%}
  d {%+ if true %} e{% endif +%}

  {# comment #}
f)",
     R"(a
    b
  ctightd  e

f)"},
};

// The message of the error that parsing or rendering ends with.
std::string refusal(std::string_view text, Code code = Code::kBadModel) {
  Result<ChatTemplate> parsed = ChatTemplate::parse(text);
  if (!parsed.ok()) {
    CHECK(parsed.error().code == code);
    return parsed.error().message;
  }
  Result<std::string> rendered = parsed->render(context());
  if (rendered.ok()) return "no error: " + *rendered;
  CHECK(rendered.error().code == code);
  return rendered.error().message;
}

}  // namespace

TEST_CASE("templates render as jinja2 renders them", "[chat]") {
  setenv("TZ", "UTC0", 1);
  tzset();
  for (const Row& row : kRows) {
    INFO(row.text);
    Result<ChatTemplate> parsed = ChatTemplate::parse(row.text);
    INFO((parsed.ok() ? std::string() : parsed.error().text()));
    REQUIRE(parsed.ok());
    Result<std::string> rendered = parsed->render(context(), kNow);
    INFO((rendered.ok() ? std::string() : rendered.error().text()));
    REQUIRE(rendered.ok());
    CHECK(*rendered == row.rendered);
  }
}

TEST_CASE("errors name the line and the construct", "[chat]") {
  CHECK(refusal("a\n{% include 'x' %}") == "line 2: the statement {% include %} is not known");
  CHECK(refusal("{{ 1|nofilter }}") == "line 1: the filter 'nofilter' is not known");
  CHECK(refusal("{{ 1 is notest }}") == "line 1: the test 'notest' is not known");
  CHECK(refusal("\n\n{{ nothing.x }}") == "line 3: 'nothing' is undefined");
  CHECK(refusal("{{ m.zz.y }}") == "line 1: 'zz' is undefined");
  CHECK(refusal("{{ nothing() }}") == "line 1: 'nothing' is undefined");
  CHECK(refusal("{{ nothing + 1 }}") == "line 1: 'nothing' is undefined");
  CHECK(refusal("{{ 1 + 'a' }}") == "line 1: '+' is not defined for a int and a str");
  CHECK(refusal("{% for x in 5 %}{% endfor %}") == "line 1: a int cannot be iterated over");
  CHECK(refusal("{% if %}") == "line 1: expected an expression, found the end of the tag");
  CHECK(refusal("{% if x %}") == "line 1: a block is not closed: expected {% endif %}");
  CHECK(refusal("{{ 'a }}") == "line 1: a string is not closed");
  CHECK(refusal("{{ 1 ") == "line 1: a {{ is not closed");
  CHECK(refusal("{{ (1 }}") == "line 1: unexpected '}'");
  CHECK(refusal("{# x") == "line 1: a comment {# is not closed");
  CHECK(refusal("{% break %}") == "line 1: 'break' outside a loop");
  CHECK(refusal("{{ 1 // 0 }}") == "line 1: division by zero");
  CHECK(refusal("{{ 'Straße'.casefold() ~ '%s!' % nothing }}{{ ['a'] is lower }}") == "no error: strasse!True");
  CHECK(refusal("{{ 0.0 ** -1 }}{{ 0 ** -1 }}") == "line 1: division by zero");
  CHECK(refusal("{% for x in xs %}{{ loop.changed([m]) }}{% endfor %}") == "no error: TrueFalseFalse");
  CHECK(refusal("{% for x in xs %}{{ loop.changed([loop]) }}{% endfor %}") ==
        "line 1: loop.changed takes data, found a list");
  CHECK(refusal("{{ 9223372036854775807 + 1 }}") == "line 1: an integer is too large");
  CHECK(refusal("{{ 9223372036854775808 }}") == "line 1: the number is too large");
  CHECK(refusal("{% set m.x = 1 %}") == "line 1: cannot set an attribute of 'm': it is no namespace");
  CHECK(refusal("{{ dict(**xs) }}") == "line 1: '**' needs a mapping, found a list");
  CHECK(refusal("{{ dict(a=1, **{'a': 2}) }}") == "line 1: the argument 'a' is given twice");
  CHECK(refusal("{% for x in xs %}{{ loop(xs) }}{% endfor %}") ==
        "line 1: only the loop variable of a running {% for … recursive %} can be called");
  for (const char* spec : {"{:,x}", "{:,b}", "{:,n}", "{:_n}", "{:,c}"}) {
    CHECK(refusal("{{ '" + std::string(spec) + "'.format(3) }}").find("or is not supported") != std::string::npos);
  }
  for (const char* spec : {"{:0=5}", "{:=05}", "{:,}"}) {
    CHECK(refusal("{{ '" + std::string(spec) + "'.format('a') }}").find("or is not supported") != std::string::npos);
  }
  CHECK(refusal("{{ '%y' % 1 }}") == "line 1: the format '%y' does not suit a int, or is not supported");
  CHECK(refusal("{% macro f() %}{% endmacro %}{% call f() %}{% endcall %}") ==
        "line 1: macro 'f' has no use for a caller");
  CHECK(refusal("{{ strftime_now('%Q') }}") == "line 1: strftime_now does not know '%Q'");
}

TEST_CASE("what is unknown inside a condition fails only when it runs", "[chat]") {
  CHECK(refusal("{% if false %}{{ 1|nofilter }}{% endif %}ok") == "no error: ok");
  CHECK(refusal("{% if true %}{{ 1|nofilter }}{% endif %}") == "line 1: the filter 'nofilter' is not known");
}

TEST_CASE("an exception that the template raises is the user's to mend, in the template's words", "[chat]") {
  CHECK(refusal("{{ raise_exception('Roles must ' ~ 'alternate') }}", Code::kUsage) == "Roles must alternate");
}

TEST_CASE("lists that are part of something else cannot be changed", "[chat]") {
  CHECK(refusal("{% set l = [] %}{% set _ = l.append('a') %}{{ l.pop(0) }}{{ l }}") == "no error: a[]");
  CHECK(refusal("{% set l = [] %}{% set k = [l] %}{{ l.append('a') }}") ==
        "line 1: a list that is part of another value cannot be changed");
  CHECK(refusal("{% set l = [] %}{{ l.append(l) }}") == "line 1: a list cannot be appended to a list");
}

TEST_CASE("from_json reads what tojson wrote", "[chat]") {
  CHECK(refusal("{{ (m|tojson|from_json) == m }}") == "no error: True");
  CHECK(refusal("{{ '{'|from_json }}") == "line 1: from_json: not valid JSON");
}

TEST_CASE("bytes that are no UTF-8 become replacement characters", "[chat]") {
  Result<ChatTemplate> parsed = ChatTemplate::parse("\xFF{{ x|length }}");
  REQUIRE(parsed.ok());
  const jinja::Value bad = jinja::make_dict({{jinja::Value::string("x"), jinja::string_of_bytes("a\x80")}});
  CHECK(*parsed->render(bad) ==
        "\xEF\xBF\xBD"
        "2");
}

TEST_CASE("a template cannot change what it was given", "[chat]") {
  CHECK(refusal("{% set _ = xs.append(4) %}") == "line 1: a list that is part of another value cannot be changed");
}

}  // namespace sluice
