// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/stages.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

// A phase that sums the squares of its inputs does so in its first stage: every stage has all of them.
void sum_no_more(PhaseArgs& args) {
  if (auto* p = std::get_if<QkvPhase>(&args)) p->in.h_squares = nullptr;
  if (auto* p = std::get_if<GateUpPhase>(&args)) p->in.h_squares = nullptr;
  if (auto* p = std::get_if<HeadPhase>(&args)) p->in.h_squares = nullptr;
  if (auto* p = std::get_if<ProjectPhase>(&args)) p->in_squares = nullptr;
}

}  // namespace

Stages::Stages(WeightStream& stream, Backend& backend, uint32_t n_phases)
    : stream_(stream), backend_(backend), ready_after_(units_ready_after(stream.pieces())) {
  const std::span<const StreamPiece> pieces = stream.pieces();
  first_piece_.assign(n_phases + 1, 0);
  resident_units_.assign(n_phases, ~uint32_t{0});
  for (const StreamPiece& piece : pieces) {
    ++first_piece_[piece.phase + 1];
    resident_units_[piece.phase] = std::min(resident_units_[piece.phase], piece.first_unit);
  }
  for (uint32_t p = 0; p < n_phases; ++p) first_piece_[p + 1] += first_piece_[p];
}

Status Stages::run(const Phase& phase, uint32_t number) {
  const uint32_t end = first_piece_[number + 1], most_at_once = std::max(stream_.n_slots() / 2, 1u);
  uint32_t next = first_piece_[number], held = next;  // pieces [held, next) are taken
  uint32_t done = resident_units_[number];            // units from here on are computed from the window, in order
  bool resident_done = done == 0;
  ranged_ = phase;
  while (next < end) {
    // Pieces that wait in the window go before the resident units: the disk gets its slots back sooner.
    uint32_t n = std::min({stream_.ready(next), end - next, most_at_once});
    if (n == 0 && !resident_done) {
      SLUICE_DO(run_units(0, resident_units_[number]));
      resident_done = true;
      continue;
    }
    for (n = std::max(n, 1u); n > 0; --n) SLUICE_DO(stream_.take(next++));
    const uint32_t ready = ready_after_[next - 1];
    SLUICE_DO(run_units(done, ready));
    done = std::max(done, ready);
    for (; held < next && stream_.pieces()[held].end_unit <= done; ++held) stream_.release();
  }
  return resident_done ? Status() : run_units(0, resident_units_[number]);
}

Status Stages::run_units(uint32_t begin, uint32_t end) {
  if (begin >= end) return {};
  const UnitRange range{begin, end};
  if (auto* p = std::get_if<QkvPhase>(&ranged_.args))
    p->groups = range;
  else if (auto* p = std::get_if<ProjectPhase>(&ranged_.args))
    p->strips = range;
  else if (auto* p = std::get_if<GateUpPhase>(&ranged_.args))
    p->strips = range;
  else if (auto* p = std::get_if<HeadPhase>(&ranged_.args))
    p->strips = range;
  else
    SLUICE_CHECK(!"a phase without weights is streamed");
  SLUICE_TRY(const Ticket ticket, backend_.submit({&ranged_, 1}, {}));
  SLUICE_DO(backend_.wait(ticket));
  sum_no_more(ranged_.args);
  return {};
}

}  // namespace sluice
