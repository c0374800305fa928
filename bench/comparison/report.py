# SPDX-License-Identifier: Apache-2.0
"""Figures as JSON for programs and as Markdown tables for people. Pure functions."""
from . import figures


def shown(value, unit):
    """'1234', '56.7', '0.123', '812 MiB', '0.120 s': three digits that count."""
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}" + (" s" if unit == "s" else "")


def shown_spread(spread, unit):
    """'56.7 (55.1–58.0)'; a single run has no spread."""
    if spread is None:
        return "–"
    text = shown(spread["median"], unit)
    if spread["n"] < 2:
        return text
    return f"{text} ({shown(spread['min'], unit).split()[0]}–{shown(spread['max'], unit).split()[0]})"


def shown_ratio(spread):
    if spread is None:
        return "–"
    text = f"{spread['median']:.2f}×"
    return text if spread["n"] < 2 else f"{text} ({spread['min']:.2f}–{spread['max']:.2f})"


def markdown(header, rows, right=()):
    """A table; columns whose numbers are in `right` are aligned to the right."""
    def line(cells):
        return "| " + " | ".join(cells) + " |"
    marks = ["---:" if i in right else "---" for i in range(len(header))]
    return "\n".join([line(header), "|" + "|".join(marks) + "|", *map(line, rows)])


def median_limits(probes):
    """The median of each figure of all probes of a run."""
    keys = {key for probe in probes for key in probe}
    return {key: figures.spread([p.get(key) for p in probes])["median"] for key in sorted(keys)}


def share_of_limit(test, rate, limits, facts):
    """What part of the machine's measured limit a rate is, or None."""
    if test.limit == "memory" and limits.get("read_GB_s") and facts.get("weight_bytes_per_token"):
        return rate * facts["weight_bytes_per_token"] / 1e9 / limits["read_GB_s"]
    if test.limit == "int8" and limits.get("int8_GMAC_s") and facts.get("layer_macs_per_token"):
        return rate * facts["layer_macs_per_token"] / 1e9 / limits["int8_GMAC_s"]
    return None


def summarize(outcome, limits, facts):
    """One test as JSON: per engine the best variant, its samples and spread, the share of the limit; ratios to us."""
    test, ours = outcome.test, None
    summary = {"test": test.key, "title": test.title, "unit": test.unit, "engines": {}, "ratios": {}}
    for number, (engine, variants) in enumerate(outcome.samples.items()):
        if engine in outcome.problems:
            summary["engines"][engine] = {"problem": outcome.problems[engine]}
            continue
        best = figures.best_variant(variants, test.lower_is_better)
        samples = variants.get(best, [])
        spread = figures.spread(samples)
        summary["engines"][engine] = {"variant": best, "samples": samples, "spread": spread}
        if spread:
            share = share_of_limit(test, spread["median"], limits, facts)
            if share is not None:
                summary["engines"][engine]["share_of_limit"] = share
        if number == 0:
            ours = samples
        elif ours and samples:
            summary["ratios"][engine] = figures.ratios(ours, samples, test.lower_is_better)
    return summary


def model_table(result):
    """The Markdown table of one model's summaries."""
    engines = list(result["engines"])
    header = [result["model"], engines[0]]
    for peer in engines[1:]:
        header += [peer, "ratio"]
    rows = []
    for summary in result["tests"]:
        row = [summary["title"] + ("" if summary["unit"] in ("s", "bytes") else f", {summary['unit']}")]
        for number, engine in enumerate(engines):
            entry = summary["engines"].get(engine, {})
            cell = shown_spread(entry.get("spread"), summary["unit"])
            if "share_of_limit" in entry:
                cell += f", {100 * entry['share_of_limit']:.0f} %"
            if entry.get("variant") not in (None, "f16", "q8"):
                cell += f" {entry['variant']}"
            row.append(cell)
            if number:
                row.append(shown_ratio(summary["ratios"].get(engine)))
        rows.append(row)
    return markdown(header, rows, right=range(1, len(header)))


def budget_table(result):
    """The Markdown table of one model's budgets."""
    header = ["memory", "Sluice, tokens/s", "llama.cpp, tokens/s", "ratio", "bound", "of the bound", "disk, GB/s",
              "streamed a token", "peak charged"]
    rows = []
    for point in result["points"]:
        ours, peer = point["sluice"], point["llama.cpp"]
        rows.append([point["name"], shown_spread(ours.get("spread"), "tokens/s") if "problem" not in ours else ours["problem"],
                     shown_spread(peer.get("spread"), "tokens/s") if "problem" not in peer else peer["problem"],
                     shown_ratio(point.get("ratio")), shown_spread(point.get("bound"), "tokens/s"),
                     "–" if not point.get("share") else f"{100 * point['share']['median']:.0f} %",
                     "–" if not point.get("disk_GB_s") else f"{point['disk_GB_s']['median']:.2f}",
                     shown(point.get("streamed_bytes_per_token", 0), "bytes"),
                     "–" if not ours.get("peak_bytes") else shown(max(ours["peak_bytes"]), "bytes")])
    return markdown(header, rows, right=range(1, len(header)))
