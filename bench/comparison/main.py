# SPDX-License-Identifier: Apache-2.0
"""bench/peers: options, the order of the work, where results go."""
import argparse
import json
import os
import platform
import subprocess
import sys
import time

from . import budgets, chart, figures, measurements, peers, report, roofline
from .engines import IkLlama, Llama, Sluice
from .processes import run

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILDS = ["build/release", "build/dev"]
DESCRIPTION = """Runs Sluice and llama.cpp (and its fork ik_llama.cpp, where given) in turn on the same GGUF files and
prints ratios with their spread. Mainline is fetched and built once, in ~/.cache/sluice-peers. Run it on a machine that
does nothing else."""
EXAMPLES = """examples:
  bench/peers model.gguf
  bench/peers model.gguf --tests decode,prefill -r 5 --json results.json --markdown table.md
  bench/peers model.gguf --budgets 512M,768M,1G --svg budgets.svg      (as root: needs memory cgroups)
  bench/peers --roofline q4_0,q4_k,q6_k,q8_0 --svg roofline.svg        (Sluice alone, on synthetic models)
  bench/peers model.gguf --llama-bin ~/llama.cpp/build/bin --ik ~/ik_llama.cpp"""


def parse_arguments(words):
    tests = list(measurements.all_tests(1))
    parser = argparse.ArgumentParser(prog="bench/peers", description=DESCRIPTION, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL.gguf")
    parser.add_argument("--tests", default=",".join(tests), metavar="LIST", help="of " + ", ".join(tests) + " (default: all)")
    parser.add_argument("--budgets", metavar="LIST", help="instead of the tests: decode in memory cgroups of these sizes")
    parser.add_argument("--roofline", metavar="FORMATS", help="instead: steps of 1 to 256 rows, by block format")
    parser.add_argument("-r", "--repetitions", type=int, default=3, metavar="N", help="(default: 3)")
    parser.add_argument("-n", "--tokens", type=int, metavar="N", help="tokens to decode (default: 64; with --budgets 16)")
    parser.add_argument("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
                        help="of all engines (default: every core)")
    parser.add_argument("--sluice", metavar="PROGRAM", help="(default: build/release/sluice)")
    parser.add_argument("--llama-bin", metavar="DIR", help="programs of a llama.cpp that is built already")
    parser.add_argument("--no-llama", action="store_true", help="without llama.cpp")
    parser.add_argument("--ik", metavar="DIR", help="a checkout of ik_llama.cpp, to be built")
    parser.add_argument("--ik-bin", metavar="DIR", help="programs of an ik_llama.cpp that is built already")
    parser.add_argument("--json", metavar="FILE", help="all figures")
    parser.add_argument("--markdown", metavar="FILE", help="the tables")
    parser.add_argument("--svg", metavar="FILE", help="with --budgets: tokens/s over budgets; with --roofline: its picture")
    arguments = parser.parse_args(words)
    unknown = [key for key in arguments.tests.split(",") if key not in tests]
    if unknown:
        parser.error("unknown test " + unknown[0])
    if arguments.repetitions < 1 or arguments.threads < 1 or (arguments.tokens is not None and arguments.tokens < 2):
        parser.error("-r and -t need at least 1, -n at least 2")
    if bool(arguments.models) == bool(arguments.roofline):
        parser.error("name models, or formats with --roofline")
    if arguments.svg and not arguments.roofline and (not arguments.budgets or len(arguments.models) > 1):
        parser.error("--svg needs --budgets and one model, or --roofline")
    for model in arguments.models:
        if not os.path.isfile(model):
            parser.error(f"{model} is not there")
    try:
        for name in (arguments.budgets or "1M").split(","):
            figures.parse_size(name)
    except ValueError as problem:
        parser.error(str(problem))
    return arguments


def find_program(name, given=None):
    for program in [given] if given else [os.path.join(ROOT, build, name) for build in BUILDS]:
        if os.access(program, os.X_OK):
            return os.path.abspath(program)
    raise SystemExit(f"bench/peers: {given or name} is not built (cmake --preset dev && cmake --build --preset dev)")


def converted(sluice, gguf):
    """The model as Sluice reads it, converted once into the cache folder."""
    if gguf.endswith(".slm"):
        return gguf
    info = os.stat(gguf)
    folder = os.path.join(peers.cache_folder(), "converted")
    os.makedirs(folder, exist_ok=True)
    name = os.path.splitext(os.path.basename(gguf))[0]
    slm = os.path.join(folder, f"{name}-{info.st_size:x}-{int(info.st_mtime):x}.slm")
    if not os.path.exists(slm):
        peers.say(f"converting {gguf}")
        subprocess.run([sluice, "convert", gguf, "-o", slm, "--quiet"], check=True)
    return slm


def machine():
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith(("model name", "Model"))]
    return {"cpu": names[0] if names else cpu, "cores": os.cpu_count(), "kernel": platform.release(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "date": time.strftime("%Y-%m-%d")}


def engines_for(arguments, sluice, gguf):
    engines = [Sluice(sluice, converted(sluice, gguf), arguments.threads)]
    if not arguments.no_llama:
        engines.append(Llama(peers.llama_bin(arguments.llama_bin), gguf, arguments.threads))
    fork = peers.ik_bin(arguments.ik_bin, arguments.ik)
    if fork:
        engines.append(IkLlama(fork, gguf, arguments.threads))
    return engines


def compare(arguments, sluice, gguf):
    """All tests of one model."""
    engines = engines_for(arguments, sluice, gguf)
    inspection = figures.parse_json(run([sluice, "inspect", engines[0].model, "--json"]).need().out)
    tests = measurements.all_tests(arguments.tokens or 64)
    wanted = [tests[key] for key in arguments.tests.split(",")]
    outcomes = measurements.measure(wanted, engines, arguments.repetitions, inspection["config"]["n_ctx"], peers.say)
    limits = report.median_limits(engines[0].limits)
    facts = {"weight_bytes_per_token": engines[0].weight_bytes, "layer_macs_per_token": figures.layer_macs(inspection)}
    return {"model": os.path.basename(gguf), "threads": arguments.threads, "engines": [e.name for e in engines],
            "limits": limits, **facts, "tests": [report.summarize(o, limits, facts) for o in outcomes]}


def limits_line(result):
    limits = result["limits"]
    if not limits:
        return ""
    return (f"{result['threads']} threads; limits measured in the same run: {limits.get('read_GB_s', 0):.1f} GB/s memory, "
            f"{limits.get('int8_GMAC_s', 0):.0f} int8 GMAC/s, {limits.get('disk_GB_s', 0):.2f} GB/s disk. Median (least–most); "
            "shares are of memory (decode) and of int8 (prefill).")


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def measure_roofline(arguments, sluice):
    os.makedirs(peers.cache_folder(), exist_ok=True)
    result = roofline.measure(sluice, find_program("synthetic-model"), arguments.roofline.split(","), arguments.threads,
                              arguments.repetitions, peers.cache_folder(), peers.say)
    table = report.markdown(["share of the limit, rows", *map(str, roofline.ROWS)], roofline.table_rows(result),
                            right=range(1, len(roofline.ROWS) + 1))
    return result, table, roofline.roofline_chart(result)


def measure_budgets(arguments, sluice, gguf):
    engines = engines_for(arguments, sluice, gguf)
    llama = next((e for e in engines if e.name == Llama.name), None)
    result = budgets.measure(arguments.budgets.split(","), engines[0], llama, arguments.repetitions,
                             arguments.tokens or 16, peers.say)
    result["model"] = os.path.basename(gguf)
    resident = result["resident_tok_s"]
    text = (f"{result['model']}, context {result['context']}, {arguments.threads} threads; "
            + (f"everything resident: {report.shown_spread(resident, 'tokens/s')} tokens/s" if resident
               else "larger than the machine's memory")
            + (f"; disk at best: {result['disk_GB_s']:.2f} GB/s" if result["disk_GB_s"] else "") + f"\n\n{report.budget_table(result)}")
    return result, text, chart.budget_chart(result)


def measure_tests(arguments, sluice, gguf):
    result = compare(arguments, sluice, gguf)
    return result, report.model_table(result) + "\n\n" + limits_line(result), None


def main(words):
    arguments = parse_arguments(words)
    sluice = find_program("sluice", arguments.sluice)
    measured = []
    if arguments.roofline:
        measured.append(measure_roofline(arguments, sluice))
    for gguf in arguments.models:
        peers.say(os.path.basename(gguf))
        measured.append((measure_budgets if arguments.budgets else measure_tests)(arguments, sluice, gguf))
    text = "\n\n".join(table for _, table, _ in measured) + "\n"
    print(text, end="")
    if arguments.markdown:
        write(arguments.markdown, text)
    if arguments.svg:
        write(arguments.svg, measured[0][2])
    if arguments.json:
        everything = {"machine": machine(), "command": ["bench/peers", *words], "results": [r for r, _, _ in measured]}
        write(arguments.json, json.dumps(everything, indent=1) + "\n")
    return 0
