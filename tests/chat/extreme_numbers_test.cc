// SPDX-License-Identifier: Apache-2.0
// Integers at the ends of 64 bits, through every operator, filter, method and format that takes one: what Python says,
// or an error where the result needs more bits. Run under the undefined-behaviour sanitizer it also proves that nothing
// overflows on the way. The expected texts were printed by Python's jinja2 3.1.
#include "runtime/chat/chat_template.h"
#include "support/catch.h"

namespace sluice {
namespace {

struct Row {
  const char* expression;  // max is 2^63-1, min is -2^63
  const char* shown;       // nullptr: refused
};

const Row kOperators[] = {
    {"max", "9223372036854775807"},
    {"min", "-9223372036854775808"},
    {"-max", "-9223372036854775807"},
    {"-min", nullptr},
    {"+min", "-9223372036854775808"},
    {"max + 1", nullptr},
    {"min + max", "-1"},
    {"min - 1", nullptr},
    {"0 - min", nullptr},
    {"-1 - min", "9223372036854775807"},
    {"max * -1", "-9223372036854775807"},
    {"min * -1", nullptr},
    {"max * 2", nullptr},
    {"min // -1", nullptr},
    {"min // 1", "-9223372036854775808"},
    {"min // 3", "-3074457345618258603"},
    {"max // -2", "-4611686018427387904"},
    {"max // min", "-1"},
    {"min // max", "-2"},
    {"min % -1", "0"},
    {"min % 3", "1"},
    {"max % -2", "-1"},
    {"min % max", "9223372036854775806"},
    {"max % min", "-1"},
    {"max % 0", nullptr},
    {"min / -1", "9.223372036854776e+18"},
    {"(-2) ** 63", "-9223372036854775808"},
    {"2 ** 63", nullptr},
    {"(-1) ** max", "-1"},
    {"2 ** max", nullptr},
    {"0 ** max", "0"},
    {"min < max", "True"},
    {"min == min, max == min", "(True, False)"},
    {"'a' * min", ""},
    {"[1] * min", "[]"},
    {"'a' * max", nullptr},
    {"'' * max", ""},
    {"max is odd, min is even, min is divisibleby(-1)", "(True, True, True)"},
};

const Row kFilters[] = {
    {"max|abs", "9223372036854775807"},
    {"min|abs", nullptr},
    {"max|round", "9223372036854775807"},
    {"max|round(-1)", nullptr},
    {"min|round(-1)", nullptr},
    {"(max - 3)|round(-1)", "9223372036854775800"},
    {"min|round(-2)", "-9223372036854775800"},
    {"1234567890123456789|round(-1)", "1234567890123456790"},
    {"1234567890123456785|round(-1), 1234567890123456795|round(-1)", "(1234567890123456780, 1234567890123456800)"},
    {"-35|round(-1), 25|round(-1)", "(-40, 20)"},
    {"max|round(-18), min|round(-18)", "(9000000000000000000, -9000000000000000000)"},
    {"5000000000000000000|round(-19), -5000000000000000000|round(-19)", "(0, 0)"},
    {"5000000000000000001|round(-19)", nullptr},
    {"max|round(-19)", nullptr},
    {"min|round(-19)", nullptr},
    {"max|round(-20), min|round(-400)", "(0, 0)"},
    {"1|round(max)", nullptr},
    {"1|round(min)", nullptr},
    {"max|round(30, 'ceil')", "9.223372036854776e+18"},
    {"2.5|round(400, 'ceil')", nullptr},
    {"2.5|round(-400, 'floor')", nullptr},
    {"1e300|round(300, 'floor')", nullptr},
    {"'9223372036854775807'|int, '-9223372036854775808'|int", "(9223372036854775807, -9223372036854775808)"},
    {"'9223372036854775808'|int", nullptr},
    {"'straße éà привет'|int(3), 'ééééé'|float(2.0)", "(3, 2.0)"},
    {"'-9223372036854775809'|int(5)", nullptr},
    {"'-8000000000000000'|int(0, 16), '-0x8000000000000000'|int(0, 16)",
     "(-9223372036854775808, -9223372036854775808)"},
    {"'8000000000000000'|int(0, 16)", nullptr},
    {"'12'|int(0, max), '12'|int(0, min)", "(12, 12)"},
    {"9e18|int, -9223372036854775808.0|int", "(9000000000000000000, -9223372036854775808)"},
    {"9223372036854775808.0|int", nullptr},
    {"'1e19'|int", nullptr},
    {"(1e308 * 10)|int", nullptr},
    {"max|float", "9.223372036854776e+18"},
    {"[max, min]|sum", "-1"},
    {"[max, 1]|sum", nullptr},
    {"[max, min]|max, [max, min]|min", "(9223372036854775807, -9223372036854775808)"},
    {"[max, min]|sort, [max, max]|unique|list", "([-9223372036854775808, 9223372036854775807], [9223372036854775807])"},
    {"'abc'|truncate(max, leeway=max)", "abc"},
    {"'abcdefghij'|truncate(3, true, '', 0)", "abc"},
    {"'abc'|truncate(min)", nullptr},
    {"'abc'|truncate(3, true, '...', min)", nullptr},
    {"[1]|truncate(5, false, '', min)", nullptr},
    {"[1]|truncate(min, false, '', max)", nullptr},
    {"[1]|truncate(max, false, '', max)", "[1]"},
    {"'a'|indent(min)", "a"},
    {"'a'|indent(max)", nullptr},
    {"'a'|center(min)", "a"},
    {"'a'|center(max)", nullptr},
    {"[1]|batch(max)|list", "[[1]]"},
    {"[1]|batch(min)|list", nullptr},
    {"[1]|batch(max, 0)|list", nullptr},
    {"[1]|slice(max)|list", nullptr},
    {"[1]|tojson(indent=min)", "[\n1\n]"},
    {"[1]|tojson(indent=max)", nullptr},
};

const Row kUses[] = {
    {"range(max - 7, max, 5)|list", "[9223372036854775800, 9223372036854775805]"},
    {"range(min, max, max)|list", "[-9223372036854775808, -1, 9223372036854775806]"},
    {"range(0, -max, min)|list", "[0]"},
    {"range(min, max)|list", nullptr},
    {"range(max, min)|list", "[]"},
    {"'abc'[min:max]", "abc"},
    {"'abc'[max:min:-1]", "cba"},
    {"'abc'[::max], 'abc'[::min]", "('a', 'c')"},
    {"[1, 2][max:min:min], [1, 2][min:max:max]", "([2], [1])"},
    {"[1, 2][max] is defined, [1, 2][min] is defined, 'ab'[max] is defined", "(False, False, False)"},
    {"'abab'.find('b', min, max), 'abab'.find('b', max), 'abab'.count('a', min)", "(1, -1, 2)"},
    {"'a b c'.split(' ', min), 'a b c'.split(' ', max), 'a b'.rsplit(none, max)",
     "(['a', 'b', 'c'], ['a', 'b', 'c'], ['a', 'b'])"},
    {"'aba'.replace('a', 'x', max), 'aba'.replace('a', 'x', min)", "('xbx', 'xbx')"},
    {"'a'.ljust(min), 'a'.zfill(min)", "('a', 'a')"},
    {"'a'.rjust(max)", nullptr},
    {"'%d|%.3d|%25.22d|%+d' % (min, min, min, max)",
     "-9223372036854775808|-9223372036854775808|  -0009223372036854775808|+9223372036854775807"},
    {"'%.3d|%.3d|%+.2d' % (7, -7, 0)", "007|-007|+00"},
    {"'%x %o' % (max, min)", "7fffffffffffffff -1000000000000000000000"},
    {"'%c' % min", nullptr},
    {"'{:x} {:,}'.format(min, min)", "-8000000000000000 -9,223,372,036,854,775,808"},
    {"'%d' % 1e19", nullptr},
    {"'%99999999999999999999d' % 1", nullptr},
    {"'%c%c' % (55295, 57344)", "\xED\x9F\xBF\xEE\x80\x80"},
    {"'%c' % 55296", nullptr},
    {"'%c' % 57343", nullptr},
};

void check(const Row& row) {
  const std::string text =
      "{% set max = 9223372036854775807 %}{% set min = -max - 1 %}{{ " + std::string(row.expression) + " }}";
  INFO(row.expression);
  const Result<ChatTemplate> parsed = ChatTemplate::parse(text);
  REQUIRE(parsed.ok());
  const Result<std::string> rendered = parsed->render(jinja::make_dict({}));
  INFO((rendered.ok() ? *rendered : rendered.error().text()));
  CHECK(rendered.ok() == (row.shown != nullptr));
  if (rendered.ok() && row.shown) CHECK(*rendered == row.shown);
}

}  // namespace

TEST_CASE("operators on the largest and lowest integers give what Python gives, or refuse", "[chat]") {
  for (const Row& row : kOperators) check(row);
}

TEST_CASE("filters of the largest and lowest integers give what Python gives, or refuse", "[chat]") {
  for (const Row& row : kFilters) check(row);
}

TEST_CASE("ranges, slices, methods and formats bear the largest and lowest integers", "[chat]") {
  for (const Row& row : kUses) check(row);
}

}  // namespace sluice
