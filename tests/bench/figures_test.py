# SPDX-License-Identifier: Apache-2.0
"""What bench/peers reads out of the answers of programs, and the arithmetic on it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))
from comparison import figures  # noqa: E402

PERF = """0.04.322.215 I common_perf_print: prompt eval time =    2237.05 ms /     3 tokens (  745.68 ms per token,     1.34 tokens per second)
0.04.322.231 I common_perf_print:        eval time =    1000.00 ms /     7 runs   (  142.86 ms per token,     7.00 tokens per second)
0.04.322.247 I common_perf_print:       total time =    3277.61 ms /    10 tokens
"""


class Sizes(unittest.TestCase):
    def test_units_are_powers_of_1024(self):
        self.assertEqual([figures.parse_size(t) for t in ("1", "2K", "512M", "3G")], [1, 2048, 512 << 20, 3 << 30])

    def test_what_is_no_size_is_refused(self):
        for text in ("", "0", "-1M", "1.5G", "512m", "M", "1T", "512M "):
            with self.assertRaises(ValueError, msg=text):
                figures.parse_size(text)


class Answers(unittest.TestCase):
    def test_llama_bench_gives_the_rate_of_its_one_test(self):
        self.assertEqual(figures.llama_bench_rate('warning\n[\n {"n_gen": 4, "avg_ts": 24.5}\n]\n'), 24.5)

    def test_llama_bench_with_no_test_two_tests_or_no_rate_is_unreadable(self):
        for text in ("", "[]", '[{"avg_ts": 1}, {"avg_ts": 2}]', '[{"avg": 1}]', '[{"avg_ts": "fast"}]', "[{"):
            with self.assertRaises(figures.Unreadable, msg=text):
                figures.llama_bench_rate(text)

    def test_batched_bench_is_read_as_json_line_or_as_table(self):
        self.assertEqual(figures.batched_bench_rate('{"pp": 16, "speed_pp": 40.0, "speed_tg": 12.5}\n\n'), 12.5)
        table = ("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |\n"
                 "|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|\n"
                 "|    16 |      4 |    4 |     80 |    1.503 |    42.57 |    1.272 |    12.57 |    2.776 |    28.82 |\n\n")
        self.assertEqual(figures.batched_bench_rate(table), 12.57)
        with self.assertRaises(figures.Unreadable):
            figures.batched_bench_rate("error: no memory\n")

    def test_timings_of_generation_are_not_those_of_the_prompt(self):
        self.assertEqual(figures.perf_rate(PERF), 7.0)
        older = "llama_print_timings:        eval time =     500.00 ms /    10 runs   (   50.00 ms per token)\n"
        self.assertEqual(figures.perf_rate(older), 20.0)

    def test_timings_of_a_prompt_alone_are_unreadable(self):
        for text in ("", PERF.splitlines()[0], "eval time = 0.00 ms / 1 runs", "eval time = 5.00 ms / 0 runs"):
            with self.assertRaises(figures.Unreadable, msg=text):
                figures.perf_rate(text)

    def test_json_is_found_among_other_lines(self):
        self.assertEqual(figures.parse_json('note\n{"a": {"b": 2}}\npeak 1\n'), {"a": {"b": 2}})
        with self.assertRaises(figures.Unreadable):
            figures.parse_json("killed\n{broken\n")

    def test_a_number_that_is_missing_or_none_is_unreadable(self):
        report = {"decode": {"tok_s": 3, "fast": True, "text": "3"}}
        self.assertEqual(figures.number(report, "decode", "tok_s"), 3.0)
        for path in (("decode",), ("decode", "x"), ("decode", "fast"), ("decode", "text"), ("decode", "tok_s", "x")):
            with self.assertRaises(figures.Unreadable, msg=path):
                figures.number(report, *path)

    def test_the_peak_is_on_the_last_line_of_under_budget(self):
        text = "peak 1, limit 5M, times the limit was hit: 9\nnoise\npeak 536870912, limit 512M, times the limit was hit: 0\n"
        self.assertEqual(figures.parse_under_budget(text), (536870912, 0))
        self.assertEqual(figures.parse_under_budget("peak unknown, limit none, times the limit was hit: 3\n"), (None, 3))
        with self.assertRaises(figures.Unreadable):
            figures.parse_under_budget("under-budget: this system has no memory cgroups\n")


class Arithmetic(unittest.TestCase):
    def test_the_spread_is_median_least_and_most_of_what_is_there(self):
        self.assertEqual(figures.spread([3.0, None, 1.0, 2.0, 9.0]), {"median": 2.5, "min": 1.0, "max": 9.0, "n": 4})
        self.assertIsNone(figures.spread([None]))

    def test_ratios_are_of_runs_that_followed_each_other(self):
        # The machine slowed down by half in between: the ratio did not change.
        self.assertEqual(figures.ratios([10.0, 5.0], [5.0, 2.5]), {"median": 2.0, "min": 2.0, "max": 2.0, "n": 2})

    def test_a_ratio_above_1_means_ahead_also_where_less_is_better(self):
        self.assertEqual(figures.ratios([0.5], [2.0], lower_is_better=True)["median"], 4.0)

    def test_the_best_variant_has_the_best_median(self):
        samples = {"f16": [1.0, 9.0, 2.0], "q8_0": [3.0, 3.0, 3.0], "q4_0": []}
        self.assertEqual(figures.best_variant(samples), "q8_0")
        self.assertEqual(figures.best_variant(samples, lower_is_better=True), "f16")
        self.assertIsNone(figures.best_variant({"f16": []}))

    def test_the_bound_is_what_takes_longer_computing_or_reading(self):
        self.assertAlmostEqual(figures.bound_rate(37, 500e6, 1e9), 2.0)
        self.assertAlmostEqual(figures.bound_rate(37, 5e6, 1e9), 37.0)
        self.assertAlmostEqual(figures.bound_rate(37, 0, 1e9), 37.0)
        self.assertAlmostEqual(figures.bound_rate(None, 500e6, 1e9), 2.0)
        self.assertIsNone(figures.bound_rate(None, 0, 1e9))

    def test_multiply_adds_of_a_prompt_token_are_those_of_the_layers_matrices(self):
        tensors = [{"layer": -1, "rows": 1000, "cols": 64}, {"layer": 0, "rows": 1, "cols": 64},
                   {"layer": 0, "rows": 128, "cols": 64}, {"layer": 1, "rows": 64, "cols": 128}]
        self.assertEqual(figures.layer_macs({"tensors": tensors}), 2 * 128 * 64)


if __name__ == "__main__":
    unittest.main()
