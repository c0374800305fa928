# SPDX-License-Identifier: Apache-2.0
"""Python's jinja2 with the settings that transformers renders chat templates with: the oracle of the template tests.

Needs the package jinja2. The clock stands still (NOW), and time is UTC."""
import datetime
import json

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

NOW = 1_767_441_845  # 2026-01-03 12:04:05


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks what an assistant said; the text is the same."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_say"), [], [], body).set_lineno(line)

    def _say(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(form):
    return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None).strftime(form)


def environment(sandboxed=True):
    """Outside the sandbox list.append works, which some templates and other programs need."""
    kind = jinja2.sandbox.ImmutableSandboxedEnvironment if sandboxed else jinja2.Environment
    env = kind(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


class Reference:
    """A template; text or what is wrong with it."""

    def __init__(self, env, text):
        self.template, self.error = None, None
        try:
            self.template = env.from_string(text)
        except Exception as error:
            self.error = self.describe(error)

    @staticmethod
    def describe(error):
        return f"{type(error).__name__}: {error}"

    def rendered(self, variables):
        """("rendered", text) or ("error", what Python says)."""
        if self.template is None:
            return "error", self.error
        try:
            # A copy: templates can change what they are given.
            return "rendered", self.template.render(**json.loads(json.dumps(variables)))
        except Exception as error:  # whatever a template makes Python do
            return "error", self.describe(error)
