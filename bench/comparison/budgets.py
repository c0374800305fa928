# SPDX-License-Identifier: Apache-2.0
"""Both engines in memory cgroups of the same size, with cold caches, in turn; beside them what the disk delivered at best
in the same run, so that each answer can be held against max(compute, bytes / disk)."""
import os

from . import figures
from .disk import direct_read_rate
from .processes import busy_neighbour, drop_caches, run, run_under

CONTEXT = 1024
MOST_TOKENS = CONTEXT - 128  # beside the prompt
LEAST_SECONDS = 3.0  # of generation: reading ahead while the prompt is computed must not count


def plan(sluice, budget=None):
    """What would be streamed for each token (budget None: with all the memory there is), or None if it does not fit."""
    ran = run([sluice.program, "plan", sluice.model, "--threads", str(sluice.threads), "--context", str(CONTEXT),
               *(["--memory", str(budget)] if budget else []), "--json"])
    report = figures.parse_json(ran.out)
    if not report.get("fits"):
        return None
    return {key: int(figures.number(report, key)) for key in ("streamed_bytes_per_token", "planned_bytes")}


def long_enough(ask, n):
    """ask(n tokens) -> (tokens/s, …); asked again for more tokens where that was too short to be measured."""
    answer = ask(n)
    if n / answer[0] < LEAST_SECONDS and n < MOST_TOKENS:
        answer = ask(min(MOST_TOKENS, int(1.5 * LEAST_SECONDS * answer[0]) + 1))
    return answer


def ask_sluice(sluice, budget, n):
    """(tokens/s, peak charged bytes) of one cold answer inside a cgroup of `budget` bytes."""
    drop_caches(sluice.files())
    ran, peak, _ = run_under(budget, [*sluice.answer(n, CONTEXT), "--json", "--memory", str(budget)])
    return figures.number(figures.parse_json(ran.need().out), "timing", "decode_tok_s"), peak


def ask_resident(sluice, n):
    """(tokens/s,) with all the memory there is: what computing alone allows. Call it for models that fit there."""
    answer = run([*sluice.answer(n, CONTEXT), "--json"]).need().out
    return (figures.number(figures.parse_json(answer), "timing", "decode_tok_s"),)


def ask_llama(llama, budget, n):
    """(tokens/s, peak charged bytes) of the same."""
    drop_caches(llama.files())
    ran, peak, _ = run_under(budget, llama.no_repack_answer(n, CONTEXT))
    if ran.code in (137, -9):
        raise figures.Unreadable("killed")
    return figures.perf_rate(ran.need().err), peak


def disk_rate(path):
    """What the disk delivers at best: some virtual ones deliver more to a machine whose cores do not rest meanwhile."""
    idle = direct_read_rate(path, 0.9)
    with busy_neighbour():
        busy = direct_read_rate(path, 0.9)
    return max(idle, busy) if idle and busy else None


class Point:
    """All that is known of one budget."""

    def __init__(self, name):
        self.name, self.budget = name, figures.parse_size(name)
        self.ours, self.theirs, self.resident, self.disk, self.peaks = [], [], [], [], []
        self.problems = {}
        self.streamed = 0

    def bounds(self, disk):
        """What was possible at most in each of our runs, with a disk of that rate."""
        return [figures.bound_rate(rate, self.streamed, disk) for rate in self.resident] if disk else []

    def summary(self, disk):
        bounds = self.bounds(disk)

        def engine(key, samples, **more):
            if key in self.problems and not samples:
                return {"problem": self.problems[key]}
            return {"samples": samples, "spread": figures.spread(samples), **more}
        return {"name": self.name, "budget_bytes": self.budget, "streamed_bytes_per_token": self.streamed,
                "sluice": engine("sluice", self.ours, peak_bytes=[p for p in self.peaks if p]),
                "llama.cpp": engine("llama.cpp", self.theirs), "ratio": figures.ratios(self.ours, self.theirs),
                "disk_GB_s": figures.spread([d / 1e9 for d in self.disk]), "bound": figures.spread(bounds),
                "share": figures.ratios(self.ours, bounds)}


def measure_point(point, sluice, llama, resident_rate, n, say):
    """One turn of both engines at one budget."""
    if "sluice" not in point.problems:
        planned = plan(sluice, point.budget)
        if planned is None:
            point.problems["sluice"] = "does not fit"
        else:
            point.streamed = planned["streamed_bytes_per_token"]
    if "sluice" not in point.problems:
        before = disk_rate(sluice.model)
        try:
            rate, peak = long_enough(lambda n: ask_sluice(sluice, point.budget, n), n)
        except figures.Unreadable as problem:
            point.problems["sluice"] = str(problem)
            say(f"  {point.name}: Sluice: {problem}")
        else:
            after = disk_rate(sluice.model)
            point.ours.append(rate)
            point.resident.append(resident_rate)
            point.peaks.append(peak)
            point.disk += [d for d in (before, after) if d]
            reached = rate * point.streamed
            say(f"  {point.name}: Sluice {rate:.3g} tokens/s, {reached / 1e9:.2f} GB/s streamed, the disk before and after: "
                f"{(before or 0) / 1e9:.2f}, {(after or 0) / 1e9:.2f} GB/s, peak {(peak or 0) / 2**20:.1f} MiB")
    if llama and "llama.cpp" not in point.problems:
        try:
            point.theirs.append(long_enough(lambda n: ask_llama(llama, point.budget, n), n)[0])
            say(f"  {point.name}: llama.cpp {point.theirs[-1]:.3g} tokens/s")
        except figures.Unreadable as problem:
            point.problems["llama.cpp"] = str(problem)
            say(f"  {point.name}: llama.cpp: {problem}")


def limit_line(sluice, least, most, resident_rate, disk, steps=24):
    """[(budget, tokens/s)] of the bound between two budgets, where the model fits."""
    line = []
    for step in range(steps + 1):
        budget = least + (most - least) * step // steps
        planned = plan(sluice, budget)
        if planned is not None:
            line.append((budget, figures.bound_rate(resident_rate, planned["streamed_bytes_per_token"], disk)))
    return line


def measure(names, sluice, llama, repetitions, n, say):
    """All budgets, `repetitions` times in turn; the JSON object of one model."""
    points = [Point(name) for name in names]
    resident = []
    planned = plan(sluice)
    fits_machine = planned is not None and planned["streamed_bytes_per_token"] == 0
    if not fits_machine:
        say("  larger than this machine's memory: the bound is the disk's alone")
    for repetition in range(repetitions):
        if fits_machine:
            resident.append(long_enough(lambda n: ask_resident(sluice, n), n)[0])
            say(f"  everything resident, {repetition + 1} of {repetitions}: Sluice {resident[-1]:.3g} tokens/s")
        for point in points:
            measure_point(point, sluice, llama, resident[-1] if resident else None, n, say)
    disk = max((d for point in points for d in point.disk), default=None)
    result = {"model": os.path.basename(sluice.model), "context": CONTEXT, "tokens": n,
              "resident_tok_s": figures.spread(resident), "disk_GB_s": disk / 1e9 if disk else None,
              "points": [p.summary(disk) for p in points]}
    if disk and resident and len(points) > 1:
        budgets = [p.budget for p in points]
        result["limit_line"] = limit_line(sluice, min(budgets), max(budgets), figures.spread(resident)["median"], disk)
    return result
