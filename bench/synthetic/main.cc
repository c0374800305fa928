// SPDX-License-Identifier: Apache-2.0
// The developers' program `synthetic-model`: options in, a .slm file of random weights out.
#include <charconv>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "bench/synthetic/write_synthetic.h"
#include "looks.h"
#include "output.h"
#include "progress.h"
#include "signals.h"

namespace sluice {

namespace {

constexpr const char* kUsageText =
    "usage: synthetic-model [PRESET] -o OUT.slm [options]\n\n"
    "Writes a .slm file with random weights and no source: any shape, for measuring.\n\n"
    "PRESET: tiny, 1b, 8b (default), 70b; each size may be changed:\n"
    "  --n-layers N   --d-model N      --n-heads N   --n-kv-heads N   --head-dim N\n"
    "  --d-ff N       --n-vocab N      --context N   --tied 0|1 (the head is the embedding)\n"
    "  --format F     of all matrices: q4_k (default), q4_0, q4_1, q5_k, q6_k, q8_0, q2_k, …\n"
    "  --seed N       equal seeds give equal files (default: 1)\n";

int fail(int code, const std::string& text) {
  fprintf(stderr, "synthetic-model: %s\n", one_line(text).c_str());
  return code;
}

struct Request {
  SyntheticShape shape = *find_synthetic_preset("8b");
  std::string output;
};

bool read_number(const char* text, uint64_t most, uint64_t& out) {
  const char* end = text + strlen(text);
  const auto [stop, error] = std::from_chars(text, end, out);
  return error == std::errc() && stop == end && out <= most;
}

// Empty, or what is wrong.
std::string read_option(std::string_view name, const char* value, Request& request) {
  SyntheticShape& s = request.shape;
  if (name == "-o") return request.output = value, "";
  if (name == "--format") return s.format = value, "";
  struct Number {
    std::string_view name;
    uint32_t* field;
  };
  uint32_t tied = s.tied_head;
  const Number numbers[] = {{"--n-layers", &s.n_layers}, {"--d-model", &s.d_model},       {"--n-heads", &s.n_heads},
                            {"--head-dim", &s.head_dim}, {"--n-kv-heads", &s.n_kv_heads}, {"--d-ff", &s.d_ff},
                            {"--n-vocab", &s.n_vocab},   {"--context", &s.n_ctx},         {"--tied", &tied}};
  uint64_t x = 0;
  if (name == "--seed") return read_number(value, UINT64_MAX, s.seed) ? "" : "--seed needs a whole number";
  for (const Number& number : numbers) {
    if (name != number.name) continue;
    if (!read_number(value, UINT32_MAX, x)) return std::string(name) + " needs a whole number";
    *number.field = uint32_t(x);
    s.tied_head = tied != 0;
    return "";
  }
  return "unknown option " + std::string(name);
}

std::string read_request(int argc, char** argv, Request& request) {
  int i = 1;
  if (argc > 1 && argv[1][0] != '-') {
    const SyntheticShape* preset = find_synthetic_preset(argv[i++]);
    if (!preset) return "unknown preset " + std::string(argv[1]);
    request.shape = *preset;
  }
  for (; i < argc; i += 2) {
    if (i + 1 == argc) return std::string(argv[i]) + " needs a value";
    const std::string problem = read_option(argv[i], argv[i + 1], request);
    if (!problem.empty()) return problem;
  }
  return request.output.empty() ? "-o OUT.slm is missing" : "";
}

int run(int argc, char** argv) {
  if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) return fputs(kUsageText, stdout), kOk;
  Request request;
  if (const std::string problem = read_request(argc, argv, request); !problem.empty()) {
    fail(kUsage, problem);
    fputs(kUsageText, stderr);
    return kUsage;
  }
  Progress bar("Writing", ProgressUnit::kBytes);
  const Result<SyntheticReport> report = write_synthetic(
      request.shape, request.output, [&](uint64_t done, uint64_t total) { return bar.update(done, total); });
  bar.clear();
  if (!report.ok()) {
    if (report.error().code == Code::kCancelled && interrupted()) return interrupt_exit_code();
    return fail(report.error().code == Code::kUsage ? kUsage : kFailed, report.error().text());
  }
  fprintf(stderr, "%s: %s, %s parameters, %s in %s s (%s/s)\n", one_line(request.output).c_str(),
          request.shape.format.c_str(), grouped(report->n_parameters).c_str(), human_bytes(report->file_bytes).c_str(),
          human_number(bar.seconds()).c_str(),
          human_bytes(uint64_t(double(report->file_bytes) / std::max(bar.seconds(), 1e-6))).c_str());
  return kOk;
}

}  // namespace

}  // namespace sluice

int main(int argc, char** argv) {
  setlocale(LC_CTYPE, "");
  sluice::catch_signals([] {});
  try {
    return sluice::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return sluice::fail(sluice::kFailed, "out of memory");
  }
}
