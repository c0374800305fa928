# SPDX-License-Identifier: Apache-2.0
"""Numbers out of the texts that engines and tools print, and what is made of several of them. Pure functions."""
import json
import re
import statistics


class Unreadable(Exception):
    """A program answered with something else than figures."""


def parse_size(text):
    """'512M' -> bytes; K, M, G are powers of 1024."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"'{text}' is not a size like 512M or 2G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def parse_json(text):
    """The JSON value of a program that writes one and perhaps other lines before or after it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    for line in text.splitlines():
        if line.startswith(("{", "[")):
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                continue
    raise Unreadable("no JSON among: " + text[-300:])


def number(json_object, *path):
    """The number at a path of keys; Unreadable if there is none."""
    value = json_object
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unreadable("no number at " + ".".join(path))
    return float(value)


def llama_bench_rate(text):
    """Tokens a second of the one test that llama-bench -o json -r 1 ran."""
    start, end = text.find("["), text.rfind("]")
    try:
        tests = json.loads(text[start:end + 1])
    except json.JSONDecodeError:
        tests = []
    if len(tests) != 1:
        raise Unreadable(f"{len(tests)} tests instead of 1 among: " + text[-300:])
    return number(tests[0], "avg_ts")


def batched_bench_rate(text):
    """Tokens a second of all sequences together, while they generate: a JSON line, or the last row of a table."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return number(parse_json(line), "speed_tg")
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 10 and cells[0].isdigit():
            return float(cells[7])
    raise Unreadable("no figures among: " + text[-300:])


def perf_rate(text):
    """Tokens a second of generation in the timings that llama.cpp prints after an answer."""
    found = re.findall(r"(?<!prompt )(?<!\w)eval time =\s*([\d.]+) ms /\s*(\d+) (?:runs|tokens)", text)
    if not found or float(found[-1][0]) <= 0 or int(found[-1][1]) < 1:
        raise Unreadable("no timings among: " + text[-300:])
    return 1000 * int(found[-1][1]) / float(found[-1][0])


def parse_under_budget(text):
    """The last line of scripts/under-budget: (peak bytes or None, times the limit was hit)."""
    found = re.findall(r"^peak (\d+|unknown), limit \S+, times the limit was hit: (\d+)$", text, re.MULTILINE)
    if not found:
        raise Unreadable("scripts/under-budget said: " + text[-300:])
    peak, hits = found[-1]
    return (None if peak == "unknown" else int(peak)), int(hits)


def spread(values):
    """Median, least and most; None of nothing."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def ratios(ours, theirs, lower_is_better=False):
    """The spread of the ratios of runs that followed each other; above 1 we are ahead."""
    pairs = [(a, b) for a, b in zip(ours, theirs) if a and b]
    return spread([b / a if lower_is_better else a / b for a, b in pairs])


def best_variant(samples, lower_is_better=False):
    """Of {variant: values} the one with the best median, or None."""
    medians = {v: spread(values)["median"] for v, values in samples.items() if spread(values)}
    if not medians:
        return None
    return (min if lower_is_better else max)(medians, key=medians.get)


def bound_rate(compute_rate, streamed_bytes, disk_bytes_s):
    """Tokens a second when computing and reading overlap perfectly: 1 / max(compute, bytes / disk). compute_rate None:
    nobody knows how fast it computes, but reading takes longer."""
    seconds = max(1 / compute_rate if compute_rate else 0, streamed_bytes / disk_bytes_s)
    return 1 / seconds if seconds else None


def layer_macs(inspection):
    """Multiply-adds of one prompt token: every weight of the layers' matrices once (the head sees the last token only)."""
    return sum(t["rows"] * t["cols"] for t in inspection.get("tensors", []) if t.get("layer", -1) >= 0 and t["rows"] > 1)
