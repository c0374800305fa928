# SPDX-License-Identifier: Apache-2.0
"""What is measured, and the order: all engines take their turn within each repetition, so that what the machine does
meanwhile meets them alike."""
from dataclasses import dataclass, field

from . import figures
from .processes import busy_neighbour, drop_caches, run

ANSWER_CONTEXT = 4096


@dataclass
class Test:
    """One row of the table. `measure(engine, variant)` gives a figure or raises Unreadable."""
    key: str
    title: str
    unit: str
    measure: object
    context: int = 0  # tokens the model's context must hold beside what is measured
    lower_is_better: bool = False
    limit: str = ""  # which physical limit the figure is compared with: "memory", "int8" or none


@dataclass
class Outcome:
    """Figures of one test: samples[engine][variant] in the order of the repetitions; None where a run failed."""
    test: Test
    samples: dict = field(default_factory=dict)
    problems: dict = field(default_factory=dict)  # engine -> why it has none


def first_token(engine, cold):
    """Seconds from the start of the program to the first byte of its answer."""
    if cold:
        drop_caches(engine.files())
    ran = run(engine.answer(1, ANSWER_CONTEXT)).need()
    if ran.first_byte_s is None:
        raise figures.Unreadable("it answered nothing")
    return ran.first_byte_s


def resident(engine):
    """Bytes of the resident set at its largest, with room for a context of 4096."""
    return float(run(engine.answer(16, ANSWER_CONTEXT)).need().peak_bytes)


def beside_busy(engine, n, variant):
    with busy_neighbour():
        return engine.decode(n, 0, variant)


def all_tests(n_decode):
    """Every test by its key. `n_decode`: tokens of each decoding."""
    def decode_after(depth):
        return lambda e, v: e.decode(n_decode, depth, v)

    tests = [
        Test("prefill", "prefill of 512", "tokens/s", lambda e, v: e.prefill(512, v), limit="int8"),
        Test("decode", "decode", "tokens/s", decode_after(0), limit="memory"),
        Test("decode-4k", "decode after 4096", "tokens/s", decode_after(4096), 4096),
        Test("decode-16k", "decode after 16384", "tokens/s", decode_after(16384), 16384),
        Test("batch-4", "4 sequences at a time", "tokens/s", lambda e, v: e.batch(n_decode, 4, v)),
        Test("busy", "decode beside a busy process", "tokens/s", lambda e, v: beside_busy(e, n_decode, v)),
        Test("first-token-cold", "first token, cold", "s", lambda e, v: first_token(e, True), lower_is_better=True),
        Test("first-token-warm", "first token, warm", "s", lambda e, v: first_token(e, False), lower_is_better=True),
        Test("memory", "resident memory", "bytes", lambda e, v: resident(e), lower_is_better=True),
    ]
    return {test.key: test for test in tests}


def measure(tests, engines, repetitions, n_ctx, say):
    """Runs every test on every engine `repetitions` times; a list of Outcomes. An engine that fails once is not asked
    again in that test."""
    outcomes = []
    for test in tests:
        if test.context and test.context + 512 > n_ctx:
            say(f"  {test.title}: beyond the model's context of {n_ctx}")
            continue
        outcome = Outcome(test, {e.name: {v: [] for v in e.variants(test)} for e in engines})
        for repetition in range(repetitions):
            for engine in engines:
                for variant in engine.variants(test):
                    if engine.name in outcome.problems:
                        continue
                    try:
                        value = test.measure(engine, variant)
                    except (figures.Unreadable, OSError) as problem:
                        outcome.problems[engine.name] = str(problem)
                        say(f"  {test.title}: {engine.name}: {problem}")
                        continue
                    outcome.samples[engine.name][variant].append(value)
                    say(f"  {test.title}, {repetition + 1} of {repetitions}: {engine.name} {variant} {value:.4g} {test.unit}")
        outcomes.append(outcome)
    return outcomes
