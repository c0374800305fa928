// SPDX-License-Identifier: Apache-2.0
// Attention: queries of one KV head run together, up to 16 at a time, over blocks of 256 slots. Few rows share out the
// blocks and merge afterwards, many rows share out tiles of queries and merge as they go; the formulas are the same.
#include <algorithm>
#include <cstring>

#include "backends/cpu/worker.h"

namespace sluice::cpu {

namespace {

// Rows [row, row + n_rows) of a sequence and heads [head, head + n_heads) of KV group `group`; column = row-major.
struct Tile {
  const SequenceRows* seq;
  uint32_t row, n_rows, group, head, n_heads;
  uint32_t width() const { return n_rows * n_heads; }
  uint32_t pos(uint32_t c) const { return seq->pos + (row - seq->first_row) + c / n_heads; }
};

uint32_t first_visible(const AttendPhase& p, uint32_t pos) {
  return p.window != 0 && pos + 1 > p.window ? pos + 1 - p.window : 0;
}

class Heads {
 public:
  Heads(Worker& w, const AttendPhase& p) : w_(w), p_(p), cols_(p.n_heads * p.head_dim) {}

  // Quantizes the tile's queries into this thread's panel.
  void load(const Tile& t) {
    panel_ = w_.own().q;
    panel_.n_rows = t.width(), panel_.n_groups = (p_.head_dim + 31) / 32;
    for (uint32_t c = 0; c < t.width(); ++c) {
      const float* q = p_.q + size_t(t.row + c / t.n_heads) * cols_ + size_t(t.head + c % t.n_heads) * p_.head_dim;
      w_.kernels().quantize_query(q, p_.head_dim, panel_.n_groups, panel_.row(c));
    }
  }

  // One block: max, sum, out of every column; a column sees something iff its window is not empty.
  void block(const Tile& t, uint32_t b, float* max, float* sum, float* out) {
    const SequenceRows& seq = *t.seq;
    const KvLayer& layer = seq.layers[p_.layer];
    const uint32_t d = p_.head_dim, n_groups = (d + 31) / 32, dim4 = (d + 3) / 4;
    for (uint32_t c = 0; c < t.width(); ++c) {
      const int64_t base = int64_t{b} * kKvBlockSlots;
      const int64_t lo = std::max<int64_t>(first_visible(p_, t.pos(c)) - base, 0);
      const int64_t hi = std::clamp<int64_t>(t.pos(c) + 1 - base, 0, kKvBlockSlots);
      first_[c] = lo < hi ? uint16_t(lo) : 0;
      last_[c] = lo < hi ? uint16_t(hi) : 0;
    }
    const size_t strip = (size_t(t.group) * seq.n_slots + size_t(b) * kKvBlockSlots) / 16;
    const size_t place = size_t(t.group) * seq.n_slots + size_t(b) * kKvBlockSlots;
    w_.kernels().attend_block({panel_.panel(0), reinterpret_cast<const int8_t*>(layer.keys) + strip * dim4 * 64,
                               layer.key_scales + strip * n_groups * 16,
                               reinterpret_cast<const int8_t*>(layer.values) + place * d, layer.value_scales + place, d,
                               first_, last_, p_.scale, p_.softcap, w_.own().weights, max, sum, out});
  }
  bool sees(uint32_t c) const { return first_[c] < last_[c]; }

  // All blocks of the tile, merged in order, into the activations.
  void whole(const Tile& t, bool quantize) {
    ThreadScratch& own = w_.own();
    const Kernels& k = w_.kernels();
    const uint32_t d = p_.head_dim, n = t.width();
    load(t);
    bool seen[kPanelColumns] = {};
    for (uint32_t b = first_visible(p_, t.pos(0)) / kKvBlockSlots; b <= t.pos(n - 1) / kKvBlockSlots; ++b) {
      block(t, b, own.next_max, own.next_sum, own.next);
      for (uint32_t c = 0; c < n; ++c) {
        if (!sees(c)) continue;
        float *out = own.out + size_t(c) * d, *next = own.next + size_t(c) * d;
        if (seen[c]) {
          k.merge(&own.max[c], &own.sum[c], out, own.next_max[c], own.next_sum[c], next, d);
        } else {
          own.max[c] = own.next_max[c], own.sum[c] = own.next_sum[c];
          std::memcpy(out, next, size_t(d) * sizeof(float));
          seen[c] = true;
        }
      }
    }
    for (uint32_t c = 0; c < n; ++c) finish(t, c, own.out + size_t(c) * d, own.sum[c]);
    if (quantize) quantize_tile(t);
  }

  void finish(const Tile& t, uint32_t c, const float* out, float sum) {
    float* to = p_.out.f32 + size_t(t.row + c / t.n_heads) * cols_ + size_t(t.head + c % t.n_heads) * p_.head_dim;
    w_.kernels().divide(to, out, sum, p_.head_dim);
  }

  void quantize_tile(const Tile& t) {
    for (uint32_t r = t.row; r < t.row + t.n_rows; ++r)
      quantize_channels(w_, p_.out, r, t.head * p_.head_dim, (t.head + t.n_heads) * p_.head_dim);
  }

 private:
  Worker& w_;
  const AttendPhase& p_;
  const uint32_t cols_;
  Rows panel_;
  uint16_t first_[kPanelColumns], last_[kPanelColumns];
};

// How the heads of the asked KV groups are cut into runs of at most 16.
struct HeadRuns {
  HeadRuns(const AttendPhase& p)
      : group_begin(p.groups.begin),
        n_groups(std::min(p.groups.end, p.n_kv_heads) - p.groups.begin),
        per_group(p.n_heads / p.n_kv_heads),
        run(std::min(per_group, kPanelColumns)),
        runs((per_group + run - 1) / run) {}
  uint32_t count() const { return n_groups * runs; }
  // Tile of run i with no rows yet.
  Tile tile(uint32_t i) const {
    const uint32_t group = group_begin + i / runs, skip = i % runs * run;
    return {nullptr, 0, 0, group, group * per_group + skip, std::min(run, per_group - skip)};
  }
  uint32_t group_begin, n_groups, per_group, run, runs;
};

// A step of few rows: every block of every row is an item of its own.
void attend_split(Worker& w, const StepRows& rows, const AttendPhase& p, const HeadRuns& runs, bool quantize) {
  Scratch& s = w.shared();
  uint32_t first_block[kSplitRows], item_end[kSplitRows], n_items = 0;
  for (uint32_t r = 0; r < rows.n_rows; ++r) {
    const SequenceRows& seq = sequence_of(rows, r);
    const uint32_t pos = seq.pos + (r - seq.first_row);
    first_block[r] = first_visible(p, pos) / kKvBlockSlots;
    n_items += (pos / kKvBlockSlots + 1 - first_block[r]) * runs.count();
    item_end[r] = n_items;
  }
  const auto partial = [&](uint32_t r, uint32_t head, uint32_t block) {
    return (size_t(r) * p.n_heads + head) * s.max_blocks + (block - first_block[r]);
  };
  w.share(n_items, [&](uint32_t begin, uint32_t end) {
    Heads heads(w, p);
    for (uint32_t i = begin; i < end; ++i) {
      uint32_t r = 0;
      while (i >= item_end[r]) ++r;
      const uint32_t item = i - (r ? item_end[r - 1] : 0);
      Tile t = runs.tile(item % runs.count());
      t.seq = &sequence_of(rows, r), t.row = r, t.n_rows = 1;
      const uint32_t block = first_block[r] + item / runs.count();
      ThreadScratch& own = w.own();
      heads.load(t);
      heads.block(t, block, own.next_max, own.next_sum, own.next);
      for (uint32_t c = 0; c < t.width(); ++c) {
        const size_t at = partial(r, t.head + c, block);
        s.partials.max[at] = own.next_max[c], s.partials.sum[at] = own.next_sum[c];
        std::memcpy(s.partials.out + at * p.head_dim, own.next + size_t(c) * p.head_dim, p.head_dim * sizeof(float));
      }
    }
  });
  w.share(rows.n_rows * runs.count(), [&](uint32_t begin, uint32_t end) {
    Heads heads(w, p);
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t r = i / runs.count();
      Tile t = runs.tile(i % runs.count());
      t.seq = &sequence_of(rows, r), t.row = r, t.n_rows = 1;
      const uint32_t last = t.pos(0) / kKvBlockSlots;
      for (uint32_t c = 0; c < t.width(); ++c) {
        const size_t base = partial(r, t.head + c, first_block[r]);
        float* out = s.partials.out + base * p.head_dim;
        for (uint32_t b = first_block[r] + 1; b <= last; ++b) {
          const size_t at = base + (b - first_block[r]);
          w.kernels().merge(&s.partials.max[base], &s.partials.sum[base], out, s.partials.max[at], s.partials.sum[at],
                            s.partials.out + at * p.head_dim, p.head_dim);
        }
        heads.finish(t, c, out, s.partials.sum[base]);
      }
      if (quantize) heads.quantize_tile(t);
    }
  });
}

void attend_tiles(Worker& w, const StepRows& rows, const AttendPhase& p, const HeadRuns& runs, bool quantize) {
  const uint32_t tile_rows = kPanelColumns / runs.run;
  uint32_t n_items = 0;
  for (const SequenceRows& seq : rows.sequences) n_items += (seq.n_rows + tile_rows - 1) / tile_rows * runs.count();
  w.share(n_items, [&](uint32_t begin, uint32_t end) {
    Heads heads(w, p);
    for (uint32_t i = begin; i < end; ++i) {
      uint32_t item = i;
      const SequenceRows* seq = rows.sequences.data();
      for (uint32_t n; item >= (n = (seq->n_rows + tile_rows - 1) / tile_rows * runs.count()); ++seq) item -= n;
      Tile t = runs.tile(item % runs.count());
      const uint32_t skip = item / runs.count() * tile_rows;
      t.seq = seq, t.row = seq->first_row + skip, t.n_rows = std::min(tile_rows, seq->n_rows - skip);
      heads.whole(t, quantize);
    }
  });
}

}  // namespace

void attend(Worker& w, const StepRows& rows, const AttendPhase& p) {
  if (p.groups.begin >= std::min(p.groups.end, p.n_kv_heads)) return;
  const HeadRuns runs(p);
  // A run of heads that fills whole groups of 32 channels is quantized by who made it.
  const bool whole_groups = runs.run * p.head_dim % 32 == 0 && runs.per_group * p.head_dim % 32 == 0;
  bool split = rows.n_rows <= kSplitRows, long_row = false;
  for (const SequenceRows& seq : rows.sequences) long_row |= seq.pos + seq.n_rows > kKvBlockSlots;
  split &= long_row;
  if (split)
    attend_split(w, rows, p, runs, whole_groups);
  else
    attend_tiles(w, rows, p, runs, whole_groups);
  if (whole_groups) return;
  // Otherwise every group of channels that ends in our range is quantized once all heads are there.
  const uint32_t per_group = runs.per_group * p.head_dim;
  const uint32_t begin = runs.group_begin * per_group / 32 * 32, end = (runs.group_begin + runs.n_groups) * per_group;
  w.share(rows.n_rows, [&](uint32_t from, uint32_t to) {
    for (uint32_t r = from; r < to; ++r) quantize_channels(w, p.out, r, begin, end == p.out.cols ? end : end / 32 * 32);
  });
}

}  // namespace sluice::cpu
