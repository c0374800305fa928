#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random small templates against Python's jinja2: writes cases for compare_templates.

fuzz_templates.py OUT_FOLDER [--templates N] [--seed N]
compare_templates OUT_FOLDER

Jinja2 refuses what the interpreter here refuses too (integers beyond 64 bits, methods that change lists, …) is not
made; where only one of the two refuses, compare_templates says so."""
import argparse
import json
import pathlib
import random

import jinja_reference

VARIABLES = {
    "s": "Hello, <World> & 'you'", "e": "", "u": "Straße ÉÀ привет 日本 🌍", "b": " \t pad ded \n", "n": 7, "z": 0, "m": -3,
    "f": 2.5, "g": -0.125, "big": 1e17, "t": True, "no": False, "nil": None, "l": [3, 1, 2], "w": ["b", "A", "c", "a"],
    "el": [], "d": {"k": "v", "n": 1, "items": [1], "q": None}, "ed": {}, "lines": "one\ntwo\n\nthree\r\nfour",
    "rows": [{"name": "Bo", "age": 3, "tag": "x"}, {"name": "Al", "age": 1, "tag": "y"}, {"name": "Cy", "age": 2, "tag": "x"}],
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}, {"v": 5, "kids": []}],
    "mix": [1, "a", None, True, 2.0, [], {}, "", 0],
}
NAMES = list(VARIABLES)
LITERALS = ["0", "1", "2", "-1", "5", "1.5", "0.1", "1e3", "'a'", "'b c'", "''", "'A,b,,c'", "\"x'y\"", "none", "true", "False",
            "[]", "[1, 2]", "['x', 'y', 'x']", "(1, 2)", "('a',)", "{'a': 1, 'b': [2]}", "{}", "'%s'", "'{}'", "'<b>'", "'\\n'",
            "[1, 1.0, true]", "['B', 'a', 'b']", "undefined_name", "'1_0'", "' 007 '", "'.5e1'", "'²٣'", "'½'"]
FILTERS = ["abs", "capitalize", "count", "default('D')", "default('D', true)", "d", "dictsort", "dictsort(true)",
           "dictsort(by='value')", "dictsort(reverse=true)", "escape", "e", "first", "float", "float(1.5)", "forceescape", "int", "int(9)",
           "int(3, 16)", "int(3, 0)", "items|list", "join", "join(', ')", "join('-', attribute='name')", "last", "length", "list", "lower",
           "map('upper')|list", "map(attribute='name')|list", "map(attribute='none', default='-')|join(',')", "max", "min",
           "reject('none')|list", "reject|list", "rejectattr('age', 'gt', 1)|list", "replace('a', 'bb')", "replace('', '.')",
           "replace('l', 'L', 1)", "reverse|list", "reverse", "round", "round(1)", "round(2, 'floor')", "round(0, 'ceil')", "round(-1)", "safe",
           "select|list", "select('odd')|list", "select('string')|list", "selectattr('tag', 'equalto', 'x')|list",
           "selectattr('age')|map(attribute='age')|list", "sort", "sort(reverse=true)", "sort(attribute='age')", "sort(case_sensitive=true)",
           "sort(attribute='tag,age')", "string", "sum", "sum(attribute='age')", "sum(start=10)", "title", "tojson", "tojson(indent=2)",
           "tojson(sort_keys=true)", "tojson(separators=(',', ':'))", "tojson(ensure_ascii=true)", "tojson(indent=0)", "tojson(indent='\\t')",
           "trim", "trim('ab')", "unique|list", "upper", "wordcount", "batch(2)|list", "batch(2, 'z')|list", "slice(2)|list",
           "slice(2, 'z')|list", "groupby('tag')|list", "indent", "indent(2)", "indent(2, true)", "indent(2, blank=true)", "indent('> ')",
           "center(12)", "format(1)", "format('a', 'b')", "truncate(9)", "truncate(9, true)", "truncate(9, false, '~')",
           "truncate(5, true, '', 0)", "attr('k')", 
           "map('int')|list", "map('length')|list", "map('tojson')|join(' ')", "map(attribute='kids')|list", "select('in', [1, 2])|list",
           "map('default', 'x')|list", "map('replace', 'a', 'b')|list"]
METHODS = ["upper()", "lower()", "strip()", "strip('Hu ')", "lstrip()", "rstrip('\\n ')", "split()", "split(',')", "split(', ', 1)", "rsplit(' ', 1)",
           "split(none, 1)", "splitlines()", "splitlines(true)", "startswith('H')", "startswith(('x', 'S'))", "endswith('u')", "endswith('')",
           "replace('l', 'L')", "replace('l', 'L', 1)", "find('o')", "find('zz')", "rfind('o')", "find('o', 5)", "find('o', 2, 4)", "index('e')",
           "count('l')", "count('l', 3)", "title()", "capitalize()", "swapcase()", "casefold()", "center(30, '*')", "ljust(25, '.')",
           "rjust(25)", "zfill(30)", "isdigit()", "isalpha()", "isalnum()", "isspace()", "islower()", "isupper()", "istitle()", "isnumeric()", "isdecimal()",
           "isascii()", "partition(',')", "rpartition(' ')", "partition('zz')", "removeprefix('He')", "removesuffix('u\\'')", "join(['1', '2'])",
           "join(w)", "join(l)", "join('abc')", "format(1, a=2)", "format(*l)", "items()", "items()|list", "keys()", "keys()|list", "values()|list",
           "get('k')", "get('zz')", "get('zz', 4)", "get('zz', default=4)", "count(1)", "index(1)", "k", "n", "zz", "zz.y", "name", "first",
           "pop", "copy()"]
TESTS = ["defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping", "sequence", "iterable",
         "callable", "odd", "even", "divisibleby(3)", "divisibleby 2", "upper", "lower", "in [1, 'a', none]", "in s", "sameas(none)", "eq(1)",
         "eq 7", "ne('a')", "lt(3)", "gt 1", "ge(7)", "le 2.5", "equalto('')", "escaped", "sameas true"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"]
FORMATS = ["%s", "%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%x", "%X", "%#x", "%o", "%f", "%.2f", "%8.3f", "%e", "%g", "%.3g", "%%", "%r",
           "%10s", "%-10s|", "%.2s", "%c", "%i", "%G", "%E", "%.0f", "%#o", "%+.1e", "%.5d", "%(k)s", "%(n)03d"]
SPECS = ["", ":>10", ":<10", ":^10", ":*^11", ":05", ":05d", ":+d", ":,", ":_", ":x", ":#x", ":X", ":b", ":o", ":.2f", ":8.2f", ":.3", ":e", ":g", ":%",
         ":.1%", ":s", ":10s", ":.2s", "!r", "!s", "!r:>12", ":n", ":=5", ":#o", ": d", ":,.2f", ":.0f", ":G", ":010,", ":<05", ":*<05", ":=05", ":012_x", ":,x", ":020,.1f", "0", "1", "k", "0[k]", "0[0]"]


class Maker:
    def __init__(self, source):
        self.r = source

    def pick(self, items):
        return self.r.choice(items)

    def expression(self, depth=0):
        kind = self.r.randrange(14 if depth < 3 else 2)
        sub = lambda: self.expression(depth + 1)
        if kind == 0:
            return self.pick(LITERALS)
        if kind == 1:
            return self.pick(NAMES)
        if kind <= 4:
            return f"{self.operand(depth)}|{self.pick(FILTERS)}"
        if kind <= 6:
            return f"{self.operand(depth)}.{self.pick(METHODS)}"
        if kind == 7:
            return f"({sub()} {self.pick(BINARY)} {sub()})"
        if kind == 8:
            return f"{self.operand(depth)} is {self.pick(['', 'not '])}{self.pick(TESTS)}"
        if kind == 9:
            return f"{self.operand(depth)}[{self.pick(['0', '-1', '1:', ':2', '::-1', '1:-1', '::2', '9', chr(39) + 'k' + chr(39), '-2:', ':-1', 'n', '5:1:-2'])}]"
        if kind == 10:
            return f"({sub()} if {sub()}{self.pick(['', ' else ' + sub()])})"
        if kind == 11:
            return f"{self.pick(['not ', '-', '+'])}{self.operand(depth)}"
        if kind == 12:
            return self.pick([f"[{sub()}, {sub()}]", f"({sub()}, {sub()})", "{'a': " + sub() + "}", f"range({self.pick(['3', '1, 4', '5, 0, -2', 'n'])})|list",
                              f"dict(a={sub()})", f"namespace(a={sub()}).a", "dict(d, zz=1)", "dict(**d)"])
        return self.pick([f"'{self.pick(FORMATS)}' % {self.operand(depth)}", f"'{{{self.pick(SPECS)}}}'.format({sub()})",
                          f"'{self.pick(FORMATS)} {self.pick(FORMATS)}' % ({sub()}, {sub()})", f"'{self.pick(FORMATS)}'|format({sub()})"])

    def operand(self, depth):
        return self.pick([self.pick(NAMES), self.pick(NAMES), self.pick(LITERALS), f"({self.expression(depth + 1)})"])

    def space(self):
        return self.pick(["", "", "\n", "  ", "\n  ", "x", " y \n", "\t", "\n\n"])

    def tag(self, text):
        return "{%" + self.pick(["", "", "-", "+"]) + " " + text + " " + self.pick(["", "", "-", "+"]) + "%}"

    def output(self):
        return "{{" + self.pick(["", "", "-"]) + " " + self.expression() + " " + self.pick(["", "", "-"]) + "}}"

    def body(self, depth):
        return "".join(self.space() + self.statement(depth) for _ in range(self.r.randrange(1, 4))) + self.space()

    def statement(self, depth=0):
        kind = self.r.randrange(20 if depth < 3 else 4)
        body = lambda: self.body(depth + 1)
        if kind <= 5:
            return self.output()
        if kind == 6:
            middle = self.tag("elif " + self.expression(2)) + body() if self.r.random() < 0.3 else ""
            return self.tag("if " + self.expression(1)) + body() + middle + self.pick(["", self.tag("else") + body()]) + self.tag("endif")
        if kind <= 9:
            head = self.pick(["x in l", "x in w", "k, x in d.items()", "x in rows if x.age > 1", "x in range(3)", "x in " + self.expression(2), "x in u[:3]",
                              "k in d", "k, x in d|dictsort", "x in el", "x in tree"])
            extra = self.pick(["", "", "{{ loop.index }}", "{{ loop.index0 ~ loop.revindex ~ loop.revindex0 }}", "{{ loop.first }}{{ loop.last }}", "{{ loop.length }}",
                               "{{ loop.previtem }}{{ loop.nextitem }}", "{{ loop.cycle('a', 'b') }}", "{{ loop.changed(x) }}", "{{ loop.depth }}{{ loop.depth0 }}",
                               "{% if loop.index == 2 %}{% continue %}{% endif %}", "{% if loop.index > 1 %}{% break %}{% endif %}", "{{ x }}", "{% set y = x %}{{ y }}"])
            return self.tag("for " + head) + extra + body() + self.pick(["", "", self.tag("else") + body()]) + self.tag("endfor")
        if kind == 10:
            return self.tag("for x in tree recursive") + "{{ x.v }}({{ loop.depth }}{{ loop(x.kids) }})" + body() + self.tag("endfor")
        if kind == 11:
            return self.tag(f"set {self.pick(['y', 's', 'n', 'y, e', 'l'])} = " + self.expression(1)) + "{{ y }}{{ n }}"
        if kind == 12:
            return self.tag("set y" + self.pick(["", " | upper", " | replace('a', 'b') | trim"])) + body() + self.tag("endset") + "{{ y }}"
        if kind == 13:
            return ("{% set ns = namespace(a=0, q=" + self.expression(2) + ") %}" + self.tag("for x in l") + "{% set ns.a = ns.a + x %}" +
                    "{% set ns.q = " + self.expression(2) + " %}" + self.tag("endfor") + "{{ ns.a }}{{ ns.q }}")
        if kind <= 15:
            name = self.pick(["m1", "m2"])
            parameters = self.pick(["", "a", "a, b=2", "a=n, b=a", "a, b='q', c=none"])
            inside = self.pick(["", "{{ a }}{{ b }}", "{{ varargs }}", "{{ kwargs }}", "{{ caller() }}", "{% if caller %}[{{ caller(1) }}]{% endif %}", "{{ a|tojson }}", "{{ y }}{{ x }}"])
            call = self.pick([f"{{{{ {name}() }}}}", f"{{{{ {name}(1) }}}}", f"{{{{ {name}({self.expression(2)}, b={self.expression(2)}) }}}}", f"{{{{ {name}(1, 2, 3, 4) }}}}",
                              f"{{{{ {name}(a=1, zz=2) }}}}", f"{{% call {name}(1) %}}in{{{{ s }}}}{{% endcall %}}", f"{{% call(p) {name}(1) %}}<{{{{ p }}}}>{{% endcall %}}",
                              f"{{{{ {name}(*l) }}}}", f"{{{{ {name}(**{{'a': 5}}) }}}}"])
            return self.tag(f"macro {name}({parameters})") + inside + body() + self.tag("endmacro") + call
        if kind == 16:
            return self.tag("filter " + self.pick(["upper", "trim", "replace('a', 'b')", "indent(2)", "upper|trim", "escape"])) + body() + self.tag("endfilter")
        if kind == 17:
            return self.tag("with " + self.pick(["y = 1", "y = n, x = y", "s = l", ""])) + body() + self.tag("endwith")
        if kind == 18:
            return self.pick([self.tag("raw") + "{{ x }} {% if %}\n" + self.tag("endraw"), "{#" + self.pick(["", "-"]) + " c " + self.pick(["", "-", "+"]) + "#}"])
        return self.tag("generation") + body() + self.tag("endgeneration")

    def template(self):
        return self.body(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--templates", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--expressions", action="store_true", help="one output each instead of statements")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for old in options.out.glob("*.json"):
        old.unlink()
    env = jinja_reference.environment(sandboxed=False)
    maker = Maker(random.Random(options.seed))
    for number in range(options.templates):
        text = "{{ " + maker.expression() + " }}" if options.expressions else maker.template()
        kind, result = jinja_reference.Reference(env, text).rendered(VARIABLES)
        while kind == "error" and maker.r.random() < 0.9:  # most of what is thrown together is an error
            text = "{{ " + maker.expression() + " }}" if options.expressions else maker.template()
            kind, result = jinja_reference.Reference(env, text).rendered(VARIABLES)
        if kind == "rendered" and (" object at 0x" in result or "<generator" in result or "<Macro" in result or "<function" in result or "<bound" in result):
            continue
        case = {"name": text, "variables": VARIABLES, kind: result}
        (options.out / f"{number:06}.json").write_text(json.dumps({"template": text, "now": jinja_reference.NOW, "cases": [case]}), encoding="utf-8")


if __name__ == "__main__":
    main()
