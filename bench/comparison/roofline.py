# SPDX-License-Identifier: Apache-2.0
"""How near the machine's limits the kernels of each block format come, from one row at a time (bytes count) to a whole
prompt (multiply-adds count): measured on synthetic models, drawn under the two roofs measured in the same run."""
import os
import tempfile

from . import chart, figures
from .processes import run

ROWS = [1, 2, 4, 8, 16, 64, 256]
SHAPE = ["1b", "--n-layers", "6", "--n-vocab", "32768", "--tied", "0"]  # larger than any cache, written in seconds


def work(inspection, rows):
    """(multiply-adds, bytes of weights read) of one step over `rows` rows; the head sees the last row only."""
    macs = size = 0
    for tensor in inspection["tensors"]:
        if tensor["rows"] == 1 or tensor["access"] == "GatherRows":
            continue
        in_layer = tensor["layer"] >= 0
        macs += tensor["rows"] * tensor["cols"] * (rows if in_layer else 1)
        size += tensor["bytes"]
    return macs, size


def measure_format(sluice, synthetic, name, threads, repetitions, folder, say):
    """One format: its points {rows, macs_per_byte, GMAC_s} and the probes of its runs."""
    model = os.path.join(folder, name + ".slm")
    run([synthetic, *SHAPE, "--format", name, "-o", model]).need()
    inspection = figures.parse_json(run([sluice, "inspect", model, "--json"]).need().out)
    points, probes = [], []
    for rows in ROWS:
        answer = run([sluice, "bench", model, "-p", str(rows), "-n", "0", "-r", str(repetitions), "--threads", str(threads),
                      "--context", "512", "--json"]).need().out
        report = figures.parse_json(answer)
        macs, size = work(inspection, rows)
        steps = figures.number(report, "prefill", "tok_s") / rows
        points.append({"rows": rows, "macs_per_byte": macs / size, "GMAC_s": steps * macs / 1e9,
                       "GB_s": steps * size / 1e9})
        probes.append(report["probe"])
        say(f"  {name}, {rows} rows: {points[-1]['GMAC_s']:.0f} GMAC/s, {points[-1]['GB_s']:.1f} GB/s")
    os.remove(model)
    return points, probes


def measure(sluice, synthetic, formats, threads, repetitions, folder, say):
    """All formats; the JSON object."""
    result, probes = {"threads": threads, "formats": {}}, []
    with tempfile.TemporaryDirectory(dir=folder) as models:
        for name in formats:
            result["formats"][name], found = measure_format(sluice, synthetic, name, threads, repetitions, models, say)
            probes += found
    for key in ("read_GB_s", "int8_GMAC_s"):
        result[key] = figures.spread([figures.number(p, key) for p in probes])["median"]
    return result


def roof(result, macs_per_byte):
    """GMAC/s that memory and arithmetic allow at most."""
    return min(result["read_GB_s"] * macs_per_byte, result["int8_GMAC_s"])


def table_rows(result):
    """Per format: its share of the roof for each number of rows."""
    return [[name, *(f"{100 * p['GMAC_s'] / roof(result, p['macs_per_byte']):.0f} %" for p in points)]
            for name, points in result["formats"].items()]


def roofline_chart(result):
    xs = sorted(p["macs_per_byte"] for points in result["formats"].values() for p in points)
    ridge = result["int8_GMAC_s"] / result["read_GB_s"]
    corners = sorted({xs[0], min(max(ridge, xs[0]), xs[-1]), xs[-1]})
    series = [{"name": "limit", "style": 2, "points": [(x, roof(result, x)) for x in corners], "dashed": True}]
    for style, (name, points) in zip([0, 1, 3, 4, 5] * 4, result["formats"].items()):
        series.append({"name": name, "style": style, "points": [(p["macs_per_byte"], p["GMAC_s"]) for p in points]})
    return chart.line_chart("Steps of 1 to 256 rows under the limits of the machine",
                            f"{result['threads']} threads; limits measured in the same run: {result['read_GB_s']:.1f} GB/s, "
                            f"{result['int8_GMAC_s']:.0f} int8 GMAC/s",
                            "multiply-adds per byte of weights", "GMAC/s", series, log_x=True, log_y=True,
                            tick_text=lambda x: f"{x:g}")
