#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Renders every template of a folder with many conversations by Python's jinja2, for compare_templates.cc.

make_template_cases.py FOLDER_OF_JINJA_FILES OUT_FOLDER [--random N] [--seed N]
SLUICE_TEMPLATE_CASES=OUT_FOLDER ctest -R real_templates

One NAME.json per template: {"template", "now", "cases": [{"name", "variables", "rendered" | "error"}]}."""
import argparse
import json
import pathlib
import random

import conversations
import jinja_reference


def cases(n_random, seed):
    everything = list(conversations.written())
    source = random.Random(seed)
    everything += [(f"random {i} of seed {seed}", conversations.shuffled(source)) for i in range(n_random)]
    for name, variables in everything:
        for generate in (True, False):
            yield (f"{name}, {'' if generate else 'no '}generation prompt",
                   {**conversations.SPECIAL, "add_generation_prompt": generate, **variables})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("templates", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--random", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    # Templates append to lists, which the sandbox of transformers refuses and other programs allow.
    env = jinja_reference.environment(sandboxed=False)
    for path in sorted(options.templates.glob("*.jinja")):
        text = path.read_text(encoding="utf-8")
        reference = jinja_reference.Reference(env, text)
        out = {"template": text, "now": jinja_reference.NOW, "cases": []}
        for name, variables in cases(options.random, options.seed):
            kind, result = reference.rendered(variables)
            out["cases"].append({"name": name, "variables": variables, kind: result})
        (options.out / (path.stem + ".json")).write_text(json.dumps(out, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
