# SPDX-License-Identifier: Apache-2.0
"""How each engine is asked for each figure. An engine answers with a number, or raises Unreadable when it cannot; what an
engine can be asked in several ways (caches of other types) are its variants, and the best of them counts."""
import os

from . import figures
from .processes import run

PROMPT = "The lighthouse keeper climbed the stairs as on every evening, and when he had lit the lamp he saw"


class Sluice:
    name = "Sluice"

    def __init__(self, program, model, threads):
        self.program, self.model, self.threads = program, model, threads
        self.limits = []  # of every run: what the machine can do, measured in it
        self.weight_bytes = None

    def files(self):
        return [self.model]

    def variants(self, test):
        return ["q8"]

    def bench(self, *options, batch=1):
        report = figures.parse_json(run([self.program, "bench", self.model, "--threads", str(self.threads), "-r", "1",
                                         "-b", str(batch), *map(str, options), "--json"]).need().out)
        self.limits.append(report["probe"])
        self.weight_bytes = figures.number(report, "decode", "weight_bytes_per_token")
        return report

    def prefill(self, n, variant):
        return figures.number(self.bench("-p", n, "-n", 0), "prefill", "tok_s")

    def decode(self, n, depth, variant):
        return figures.number(self.bench("-p", 0, "-n", n, "-d", depth), "decode", "tok_s")

    def batch(self, n, batch, variant):
        return figures.number(self.bench("-p", 0, "-n", n, batch=batch), "decode", "tok_s")

    def answer(self, n, context):
        return [self.program, "run", self.model, "--threads", str(self.threads), "--context", str(context), "--raw",
                "--temp", "0", "-n", str(n), "-p", PROMPT, "--quiet"]


class Llama:
    """llama.cpp's programs; mainline."""
    name = "llama.cpp"
    completion = "llama-completion"
    bench_options, batch_options, answer_options = [], [], ["-no-cnv"]
    cache_types = ["f16", "q8_0"]

    def __init__(self, folder, model, threads):
        self.folder, self.model, self.threads = folder, model, threads

    def files(self):
        return [self.model]

    def variants(self, test):
        return self.cache_types if test.context else ["f16"]

    def program(self, name):
        return os.path.join(self.folder, name)

    def cache(self, variant):
        return [] if variant == "f16" else ["-ctk", variant, "-ctv", variant, *self.flash()]

    def flash(self):
        return ["-fa", "1"]

    def bench(self, variant, *options):
        return figures.llama_bench_rate(run([self.program("llama-bench"), "-m", self.model, "-t", str(self.threads),
                                             "-r", "1", "-o", "json", *self.bench_options, *self.cache(variant),
                                             *map(str, options)]).need().out)

    def prefill(self, n, variant):
        return self.bench(variant, "-p", n, "-n", 0)

    def decode(self, n, depth, variant):
        return self.bench(variant, "-p", 0, "-n", n, *(["-d", depth] if depth else []))

    def batch(self, n, batch, variant):
        return figures.batched_bench_rate(run([
            self.program("llama-batched-bench"), "-m", self.model, "-t", str(self.threads), "-c", str(batch * (n + 16)),
            "-npp", "16", "-ntg", str(n), "-npl", str(batch), *self.batch_options]).need().out)

    def answer(self, n, context, *more):
        return [self.program(self.completion), "-m", self.model, "-t", str(self.threads), "-c", str(context), "-n", str(n),
                "-p", PROMPT, "--temp", "0", "--ignore-eos", "--no-warmup", "--no-display-prompt", *self.answer_options,
                *more]

    def no_repack_answer(self, n, context):
        """Its best mode when memory is short: weights stay mapped, nothing is copied; timings on stderr."""
        return self.answer(n, context, "--no-repack", "-ngl", "0", "--perf")


class IkLlama(Llama):
    """The fork: its programs take other options, and repack at run time when told to."""
    name = "ik_llama.cpp"
    completion = "llama-cli"
    bench_options, batch_options, answer_options = ["-rtr", "1"], ["-rtr"], ["-rtr"]

    def flash(self):
        return []  # on by default

    def decode(self, n, depth, variant):
        return self.bench(variant, "-p", 0, "-n", 0, "-gp", f"{depth},{n}") if depth else super().decode(n, 0, variant)
