# SPDX-License-Identifier: Apache-2.0
"""How bench/peers asks engines, takes turns, and shows what came out."""
import contextlib
import io
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))
from comparison import budgets, chart, disk, figures, main, measurements, peers, processes, report, roofline  # noqa: E402
from comparison.engines import IkLlama, Llama, Sluice  # noqa: E402


def quiet(_text):
    pass


class Clockwork:
    """An engine whose answers are a list, and which notes when it was asked."""

    def __init__(self, name, answers, asked, variants=("f16",)):
        self.name, self.answers, self.asked, self.list = name, iter(answers), asked, list(variants)

    def variants(self, test):
        return self.list

    def decode(self, n, depth, variant):
        self.asked.append(self.name + " " + variant)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def decode_test(**more):
    return measurements.Test("decode", "decode", "tokens/s", lambda e, v: e.decode(8, 0, v), **more)


class Turns(unittest.TestCase):
    def test_engines_take_turns_within_each_repetition(self):
        asked = []
        engines = [Clockwork("A", [1.0, 2.0], asked), Clockwork("B", [3.0, 4.0, 5.0, 6.0], asked, ("f16", "q8_0"))]
        [outcome] = measurements.measure([decode_test()], engines, 2, 8192, quiet)
        self.assertEqual(asked, ["A f16", "B f16", "B q8_0"] * 2)
        self.assertEqual(outcome.samples, {"A": {"f16": [1.0, 2.0]}, "B": {"f16": [3.0, 5.0], "q8_0": [4.0, 6.0]}})

    def test_an_engine_that_fails_is_not_asked_again_and_the_others_go_on(self):
        asked = []
        engines = [Clockwork("A", [figures.Unreadable("no"), 1.0], asked), Clockwork("B", [3.0, 4.0], asked)]
        [outcome] = measurements.measure([decode_test()], engines, 2, 8192, quiet)
        self.assertEqual(asked, ["A f16", "B f16", "B f16"])
        self.assertEqual(outcome.problems, {"A": "no"})
        self.assertEqual(outcome.samples["B"], {"f16": [3.0, 4.0]})

    def test_what_the_models_context_cannot_hold_is_left_out(self):
        self.assertEqual(measurements.measure([decode_test(context=16384)], [], 1, 8192, quiet), [])

    def test_every_test_of_the_help_exists_with_a_unit(self):
        for key, test in measurements.all_tests(64).items():
            self.assertEqual(key, test.key)
            self.assertIn(test.unit, ("tokens/s", "s", "bytes"))


class Commands(unittest.TestCase):
    """Engines are asked through `run`; here a stand-in answers."""

    def ask(self, engine, call, answer):
        asked = []

        def stand_in(argv, *_rest, **_more):
            asked.append(argv)
            return processes.Ran(0, answer, "", 1.0, 0.5, 1 << 20)

        before, engines_module = sys.modules["comparison.engines"].run, sys.modules["comparison.engines"]
        engines_module.run = stand_in
        try:
            return call(engine), " ".join(asked[0])
        finally:
            engines_module.run = before

    def test_llama_bench_is_asked_with_the_same_threads_and_one_repetition(self):
        rate, command = self.ask(Llama("/bin", "m.gguf", 2), lambda e: e.decode(8, 4096, "q8_0"), '[{"avg_ts": 5}]')
        self.assertEqual(rate, 5.0)
        self.assertEqual(command, "/bin/llama-bench -m m.gguf -t 2 -r 1 -o json -ctk q8_0 -ctv q8_0 -fa 1 -p 0 -n 8 -d 4096")

    def test_the_fork_repacks_and_has_its_own_way_to_decode_after_a_context(self):
        _, command = self.ask(IkLlama("/bin", "m.gguf", 2), lambda e: e.decode(8, 4096, "f16"), '[{"avg_ts": 5}]')
        self.assertEqual(command, "/bin/llama-bench -m m.gguf -t 2 -r 1 -o json -rtr 1 -p 0 -n 0 -gp 4096,8")

    def test_sluice_keeps_the_limits_that_each_run_measured(self):
        engine = Sluice("sluice", "m.slm", 2)
        answer = '{"decode": {"tok_s": 9, "weight_bytes_per_token": 100}, "probe": {"read_GB_s": 40.0}}'
        rate, command = self.ask(engine, lambda e: e.decode(8, 0, "q8"), answer)
        self.assertEqual((rate, engine.limits, engine.weight_bytes), (9.0, [{"read_GB_s": 40.0}], 100.0))
        self.assertEqual(command, "sluice bench m.slm --threads 2 -r 1 -b 1 -p 0 -n 8 -d 0 --json")

    def test_under_a_budget_mainline_neither_copies_nor_offloads(self):
        command = " ".join(Llama("/bin", "m.gguf", 2).no_repack_answer(16, 1024))
        self.assertIn("--no-repack -ngl 0", command)
        self.assertIn("-c 1024 -n 16", command)


class Budgets(unittest.TestCase):
    def test_an_answer_too_short_to_be_measured_is_asked_for_again_with_more_tokens(self):
        asked = []

        def ask(rate):
            return lambda n: asked.append(n) or (rate, None)

        self.assertEqual(budgets.long_enough(ask(1.0), 16), (1.0, None))
        self.assertEqual(asked, [16])
        budgets.long_enough(ask(100.0), 16)
        self.assertEqual(asked[1], 16)
        self.assertGreaterEqual(asked[2] / 100.0, budgets.LEAST_SECONDS)
        budgets.long_enough(ask(100000.0), 16)
        self.assertEqual(asked[-1], budgets.MOST_TOKENS)

    def test_a_point_keeps_what_it_measured_beside_what_failed_later(self):
        point = budgets.Point("512M")
        point.ours, point.resident, point.peaks, point.streamed = [1.9, 1.8], [37.0, 37.0], [500, None], 500e6
        point.problems = {"llama.cpp": "killed", "sluice": "late"}
        summary = point.summary(1e9)
        self.assertEqual(summary["llama.cpp"], {"problem": "killed"})
        self.assertEqual((summary["sluice"]["samples"], summary["sluice"]["peak_bytes"]), ([1.9, 1.8], [500]))
        self.assertAlmostEqual(summary["share"]["min"], 0.9)
        self.assertAlmostEqual(summary["bound"]["median"], 2.0)
        self.assertIsNone(summary["ratio"])
        self.assertIsNone(point.summary(None)["bound"])


class Tables(unittest.TestCase):
    def outcome(self):
        return measurements.Outcome(decode_test(limit="memory"), {"Sluice": {"q8": [20.0, 10.0]},
                                                                  "llama.cpp": {"f16": [5.0, 4.0], "q8_0": [8.0, 5.0]}})

    def test_a_summary_has_the_best_variant_the_ratios_and_the_share_of_the_limit(self):
        summary = report.summarize(self.outcome(), {"read_GB_s": 30.0}, {"weight_bytes_per_token": 1e9})
        self.assertEqual(summary["engines"]["llama.cpp"]["variant"], "q8_0")
        self.assertEqual(summary["ratios"]["llama.cpp"], {"median": 2.25, "min": 2.0, "max": 2.5, "n": 2})
        self.assertAlmostEqual(summary["engines"]["Sluice"]["share_of_limit"], 0.5)

    def test_prefill_is_held_against_the_multiply_adds(self):
        test = measurements.Test("prefill", "prefill", "tokens/s", None, limit="int8")
        self.assertAlmostEqual(report.share_of_limit(test, 100, {"int8_GMAC_s": 400}, {"layer_macs_per_token": 1e9}), 0.25)
        self.assertIsNone(report.share_of_limit(decode_test(), 100, {"int8_GMAC_s": 400}, {"layer_macs_per_token": 1e9}))

    def test_the_table_shows_figures_spread_ratio_and_what_is_missing(self):
        limits, facts = {"read_GB_s": 30.0}, {"weight_bytes_per_token": 1e9}
        broken = measurements.Outcome(measurements.Test("batch-4", "4 sequences", "tokens/s", None),
                                      {"Sluice": {"q8": []}, "llama.cpp": {"f16": [3.0, 3.0]}}, {"Sluice": "no"})
        result = {"model": "m.gguf", "engines": ["Sluice", "llama.cpp"],
                  "tests": [report.summarize(o, limits, facts) for o in (self.outcome(), broken)]}
        self.assertEqual(report.model_table(result).splitlines(), [
            "| m.gguf | Sluice | llama.cpp | ratio |",
            "|---|---:|---:|---:|",
            "| decode, tokens/s | 15.0 (10.0–20.0), 50 % | 6.50 (5.00–8.00), 22 % q8_0 | 2.25× (2.00–2.50) |",
            "| 4 sequences, tokens/s | – | 3.00 (3.00–3.00) | – |"])

    def test_figures_are_shown_with_three_digits(self):
        shown = [report.shown(v, "tokens/s") for v in (1234.5, 123.4, 12.34, 1.234, 0.1234)]
        self.assertEqual(shown, ["1234", "123", "12.3", "1.23", "0.123"])
        self.assertEqual([report.shown(0.1234, "s"), report.shown(150 << 20, "bytes")], ["0.123 s", "150 MiB"])
        self.assertEqual(report.shown_spread(figures.spread([2.0]), "tokens/s"), "2.00")

    def test_the_budget_table_says_what_was_killed_and_what_share_was_reached(self):
        point = {"name": "512M", "streamed_bytes_per_token": 500 << 20, "ratio": None,
                 "sluice": {"spread": figures.spread([2.0]), "peak_bytes": [500 << 20, 510 << 20]},
                 "llama.cpp": {"problem": "killed"}, "disk_GB_s": figures.spread([1.2]), "bound": figures.spread([2.1]),
                 "share": figures.spread([0.952])}
        row = report.budget_table({"points": [point]}).splitlines()[-1]
        self.assertEqual(row, "| 512M | 2.00 | killed | – | 2.10 | 95 % | 1.20 | 500 MiB | 510 MiB |")


class Charts(unittest.TestCase):
    def result(self):
        def engine(rate):
            return {"spread": figures.spread([rate, rate * 1.1])}
        points = [{"name": n, "budget_bytes": figures.parse_size(n), "sluice": engine(r), "llama.cpp": engine(1.0)}
                  for n, r in (("1G", 30.0), ("512M", 2.0))]
        points[0]["llama.cpp"] = {"problem": "killed"}
        return {"model": "a<b.gguf", "points": points, "limit_line": [(512 << 20, 2.2), (1 << 30, 37.0)]}

    def test_the_chart_is_well_formed_and_has_a_point_for_each_figure(self):
        drawing = xml.fromstring(chart.budget_chart(self.result()))
        names = {"svg": "http://www.w3.org/2000/svg"}
        self.assertEqual(len(drawing.findall("svg:circle", names)), 3)
        self.assertEqual(len(drawing.findall("svg:polyline", names)), 3)
        texts = [t.text for t in drawing.findall("svg:text", names)]
        for text in ("512 MiB", "1 GiB", "Sluice", "llama.cpp", "limit", "tokens/s"):
            self.assertIn(text, texts)
        self.assertIn("prefers-color-scheme: dark", drawing.find("svg:style", names).text)

    def test_everything_lies_inside_the_picture_and_more_is_higher(self):
        drawing = xml.fromstring(chart.budget_chart(self.result()))
        circles = [c for c in drawing.iter("{http://www.w3.org/2000/svg}circle") if c.get("class") == "s0"]
        self.assertLess(float(circles[0].get("cx")), float(circles[1].get("cx")))
        self.assertGreater(float(circles[0].get("cy")), float(circles[1].get("cy")))
        for circle in circles:
            self.assertTrue(0 <= float(circle.get("cx")) <= 720 and 0 <= float(circle.get("cy")) <= 400)

    def test_ticks_are_round_and_enclose_the_values(self):
        self.assertEqual(chart.nice_ticks(0, 37), [0, 10, 20, 30, 40])
        self.assertEqual(chart.nice_ticks(0, 2.3), [0, 0.5, 1.0, 1.5, 2.0, 2.5])
        self.assertEqual(chart.log_ticks(3, 40), [2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
        self.assertEqual(chart.log_ticks(0.5, 4000), [0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0])

    def test_labels_that_would_cover_each_other_are_moved_apart_in_their_order(self):
        self.assertEqual(chart.spread_labels([100, 98, 10], 16), [114, 98, 10])


class Roofline(unittest.TestCase):
    TENSORS = [{"layer": -1, "rows": 100, "cols": 8, "bytes": 999, "access": "GatherRows"},
               {"layer": 0, "rows": 1, "cols": 8, "bytes": 32, "access": "GatherRows"},
               {"layer": 0, "rows": 16, "cols": 8, "bytes": 64, "access": "Stream"},
               {"layer": -1, "rows": 100, "cols": 8, "bytes": 400, "access": "Stream"}]

    def test_each_row_multiplies_the_layers_and_only_the_last_one_the_head(self):
        self.assertEqual(roofline.work({"tensors": self.TENSORS}, 1), (16 * 8 + 800, 464))
        self.assertEqual(roofline.work({"tensors": self.TENSORS}, 10), (10 * 16 * 8 + 800, 464))

    def test_the_roof_is_the_lower_of_memory_and_arithmetic_and_nothing_is_drawn_outside(self):
        result = {"threads": 2, "read_GB_s": 50.0, "int8_GMAC_s": 400.0,
                  "formats": {"q4_0": [{"rows": 1, "macs_per_byte": 1.8, "GMAC_s": 45.0},
                                       {"rows": 256, "macs_per_byte": 400.0, "GMAC_s": 300.0}]}}
        self.assertEqual((roofline.roof(result, 2), roofline.roof(result, 100)), (100.0, 400.0))
        self.assertEqual(roofline.table_rows(result), [["q4_0", "50 %", "75 %"]])
        drawing = xml.fromstring(roofline.roofline_chart(result))
        for circle in drawing.iter("{http://www.w3.org/2000/svg}circle"):
            self.assertTrue(0 <= float(circle.get("cx")) <= 720 and 0 <= float(circle.get("cy")) <= 400)


class Programs(unittest.TestCase):
    def test_a_run_knows_its_first_byte_its_memory_and_its_exit_status(self):
        ran = processes.run([sys.executable, "-c", "import sys; print('x'); sys.stderr.write('no\\n'); sys.exit(3)"])
        self.assertEqual((ran.code, ran.out, ran.err), (3, "x\n", "no\n"))
        self.assertTrue(0 < ran.first_byte_s <= ran.seconds)
        self.assertGreater(ran.peak_bytes, 1 << 20)
        with self.assertRaisesRegex(figures.Unreadable, "exit status 3: no"):
            ran.need()

    def test_a_program_that_does_not_end_is_ended_with_its_children(self):
        ran = processes.run(["sh", "-c", "sleep 600 & wait"], timeout_s=0.5)  # the child holds our pipes, too
        self.assertEqual(ran.code, -9)
        self.assertLess(ran.seconds, 60)
        self.assertEqual(processes.run([sys.executable, "-c", "import time; time.sleep(600)"], timeout_s=0.5).code, -9)

    def test_the_disk_rate_is_that_of_a_file_of_one_block_or_more(self):
        with tempfile.NamedTemporaryFile(dir=os.getcwd()) as file:
            self.assertIsNone(disk.direct_read_rate(file.name, 0.05))
            file.write(bytes(disk.BLOCK + 5))
            file.flush()
            rate = disk.direct_read_rate(file.name, 0.05)
            self.assertTrue(rate is None or rate > 0)  # a file system may know no direct reads

    def test_only_the_tree_of_llama_is_taken_out_of_the_package_and_stays_in_its_folder(self):
        class Member:
            def __init__(self, name, kind="file"):
                self.name, self.kind = name, kind

            def isfile(self):
                return self.kind == "file"

            def isdir(self):
                return self.kind == "dir"

        top = f"llama_cpp_python-{peers.VERSION}/"
        archive = [Member(top + "setup.py"), Member(top + "vendor/llama.cpp/", "dir"),
                   Member(top + "vendor/llama.cpp/src/llama.cpp"), Member(top + "vendor/llama.cpp/../../x"),
                   Member(top + "vendor/llama.cpp/link", "link")]
        self.assertEqual([m.name for m in peers.tree_members(archive)], ["src/llama.cpp"])


class Usage(unittest.TestCase):
    def refused(self, *words):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as end:
            main.parse_arguments(list(words))
        self.assertEqual(end.exception.code, 2)
        return said.getvalue()

    def test_wrong_options_are_refused_before_anything_runs(self):
        here = os.path.abspath(__file__)
        self.assertIn("is not there", self.refused("/nowhere.gguf"))
        self.assertIn("unknown test", self.refused(here, "--tests", "decode,speed"))
        self.assertIn("not a size", self.refused(here, "--budgets", "512M,big"))
        self.assertIn("--svg needs", self.refused(here, "--svg", "x.svg"))
        self.assertIn("at least", self.refused(here, "-r", "0"))
        self.assertIn("--roofline", self.refused())
        self.assertIn("--roofline", self.refused(here, "--roofline", "q4_0"))

    def test_a_converted_file_is_used_as_it_is(self):
        self.assertEqual(main.converted("sluice", "model.slm"), "model.slm")


if __name__ == "__main__":
    unittest.main()
