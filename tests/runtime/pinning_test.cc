// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan/pinning.h"

#include "runtime/plan/plan.h"
#include "support/catch.h"

namespace sluice {
namespace {

using Piece = WindowShape::Piece;

constexpr uint64_t kPieceBytes = 2 << 20;

// 10 layers: attention of two pieces, two matrices of eight and six; a head of forty; each cut once more into `split`.
WindowShape synthetic_window(uint64_t split) {
  WindowShape window;
  window.limit_bytes = window.slot_bytes = kPieceBytes / split;
  const auto add = [&](uint64_t n, uint64_t bytes, uint32_t phase, bool first) {
    for (uint64_t i = 0; i < n * split; ++i) window.pieces.push_back({bytes / split, phase, first});
  };
  for (uint32_t l = 0; l < 10; ++l) {
    add(1, kPieceBytes / 4, 1 + 5 * l, true), add(1, kPieceBytes / 2, 3 + 5 * l, true);
    add(8, kPieceBytes, 4 + 5 * l, false), add(6, kPieceBytes, 5 + 5 * l, false);
  }
  add(40, kPieceBytes, 51, false);
  return window;
}

uint64_t bytes_of(const std::vector<Piece>& pieces, const std::vector<bool>& pinned, bool value = true) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < pieces.size(); ++i) bytes += pinned[i] == value ? pieces[i].bytes : 0;
  return bytes;
}

ModelShape model_shape() {
  ModelShape shape;
  shape.d_model = 512, shape.n_vocab = 10000, shape.n_ctx = 8192;
  for (int l = 0; l < 10; ++l) shape.layers.push_back({8, 2, 64, 1536});
  shape.rope_halves = {32};
  for (uint64_t split : {1, 2, 8}) shape.windows.push_back(synthetic_window(split));
  for (const Piece& piece : shape.windows[0].pieces) shape.weight_bytes += piece.bytes;
  shape.weight_bytes_per_token = shape.weight_bytes;
  shape.gather_row_bytes = 700, shape.gather_buffer_bytes = 300000;
  return shape;
}

DeviceProfile device() {
  return {"cpu", KvType::kQ8, [](const StepLimits& limits) { return uint64_t{1000} * limits.max_rows; }};
}

Plan plan_of(const ModelShape& shape, uint64_t budget, const PlanOptions& more = {}) {
  PlanOptions options = more;
  options.budget_bytes = budget;
  auto plan = make_plan(shape, options, {uint64_t{4} << 30, 2, 10, 2}, device());
  REQUIRE(plan.ok());
  return *plan;
}

}  // namespace

TEST_CASE("what is pinned never exceeds its bytes, leaves less than two pieces of them, and grows with them",
          "[runtime][plan]") {
  const std::vector<Piece> pieces = synthetic_window(1).pieces;
  const uint64_t total = bytes_of(pieces, std::vector<bool>(pieces.size(), true));
  uint64_t before = 0;
  for (uint64_t bytes = 0; bytes <= total + kPieceBytes; bytes += 777777) {
    const uint64_t pinned = bytes_of(pieces, choose_pinned(pieces, bytes));
    CHECK(pinned <= bytes);
    CHECK(pinned + 2 * kPieceBytes > std::min(bytes, total));
    CHECK(pinned + kPieceBytes > before);
    before = pinned;
  }
  CHECK(before == total);
}

TEST_CASE("attention is pinned before anything else, then the same share of every matrix", "[runtime][plan]") {
  const std::vector<Piece> pieces = synthetic_window(1).pieces;
  const uint64_t attention = 10 * (kPieceBytes / 4 + kPieceBytes / 2);
  std::vector<bool> pinned = choose_pinned(pieces, attention);
  for (size_t i = 0; i < pieces.size(); ++i) CHECK(pinned[i] == pieces[i].first);
  pinned = choose_pinned(pieces, attention / 2);
  for (size_t i = 0; i < pieces.size(); ++i) CHECK((!pinned[i] || pieces[i].first));
  const uint64_t rest = (140 + 40) * kPieceBytes;
  pinned = choose_pinned(pieces, attention + rest / 2);
  for (uint32_t phase = 1; phase <= 51; ++phase) {
    uint64_t all = 0, in = 0;
    bool streamed = false;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].phase != phase || pieces[i].first) continue;
      all += pieces[i].bytes, in += pinned[i] ? pieces[i].bytes : 0;
      CHECK((!pinned[i] || !streamed));  // the first pieces of a matrix
      streamed = streamed || !pinned[i];
    }
    if (all > 0) CHECK(in * 2 == all);
  }
}

TEST_CASE("every budget from the least on fits, and more of it streams less", "[runtime][plan]") {
  const ModelShape shape = model_shape();
  const uint64_t least = plan_of(shape, 1).minimum_bytes;
  CHECK(least < shape.weight_bytes / 2);
  CHECK(!plan_of(shape, least - 1).fits());
  CHECK(plan_of(shape, least - 1).minimum_bytes == least);
  uint64_t before = uint64_t{1} << 40;
  bool resident = false;
  for (uint64_t budget = least; !resident; budget += 5 << 20) {
    CAPTURE(budget);
    const Plan plan = plan_of(shape, budget);
    CHECK(plan.fits());
    CHECK(plan.minimum_bytes == least);
    CHECK(plan.max_n_ctx >= plan.n_ctx);
    resident = plan.window.n_slots == 0;
    if (resident) {
      CHECK(plan.streamed_bytes_per_token == 0);
      break;
    }
    CHECK(plan.streamed_bytes_per_token > 0);
    CHECK(plan.part(Part::kIo) >= plan.window.bytes() + shape.gather_buffer_bytes + plan.max_rows * 700);
    const WindowShape* window = nullptr;
    for (const WindowShape& w : shape.windows)
      if (w.limit_bytes == plan.window.limit_bytes) window = &w;
    REQUIRE(window != nullptr);
    CHECK(bytes_of(window->pieces, plan.window.pinned, false) == plan.streamed_bytes_per_token);
    CHECK(block_bytes(bytes_of(window->pieces, plan.window.pinned)) == plan.part(Part::kWeights));
    CHECK(plan.streamed_bytes_per_token < before + (8 << 20));  // a larger window or more rows may cost a little
    before = plan.streamed_bytes_per_token;
  }
  CHECK(resident);
}

TEST_CASE("a large budget has a large window and a small one a small window", "[runtime][plan]") {
  const ModelShape shape = model_shape();
  CHECK(plan_of(shape, 200 << 20).window.bytes() == 6 * kPieceBytes);
  const Plan small = plan_of(shape, plan_of(shape, 1).minimum_bytes);
  CHECK(small.window.n_slots == 2);
  CHECK(small.window.slot_bytes == kPieceBytes / 8);
  CHECK(small.max_rows == kMinRows);
  CHECK(plan_of(shape, 200 << 20, {.window_slots = 3}).window.n_slots == 3);
  ModelShape wide = shape;
  for (WindowShape& window : wide.windows) window.min_slots = 9;
  CHECK(plan_of(wide, 300 << 20, {.window_slots = 3}).window.n_slots == 9);
}

TEST_CASE("the predicted speed is that of the slower of memory and disk", "[runtime][plan]") {
  const ModelShape shape = model_shape();
  const auto plan_with = [&](double read_GB_s, double disk_GB_s) {
    return *make_plan(shape, {.budget_bytes = 200 << 20}, {uint64_t{4} << 30, 2, read_GB_s, disk_GB_s}, device());
  };
  const Plan disk = plan_with(10, 2), memory = plan_with(0.1, 2);
  CHECK(disk.predicted_decode_tok_s == Approx(2e9 / double(disk.streamed_bytes_per_token)));
  CHECK(memory.predicted_decode_tok_s ==
        Approx(0.1e9 / double(memory.weight_bytes_per_token + memory.kv_bytes_per_token)));
  CHECK(plan_with(10, 0).predicted_decode_tok_s == 0);
}

}  // namespace sluice
