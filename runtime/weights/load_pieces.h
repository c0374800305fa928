// SPDX-License-Identifier: Apache-2.0
// The reading of resident weights: all threads of the pool take pieces in file order, read, and check hashes.
#pragma once
#include "base/thread_pool.h"
#include "runtime/weights/bulk_reader.h"
#include "runtime/weights/chunk_checks.h"
#include "runtime/weights/residence.h"

namespace sluice {

// Fills the places of `pieces` in `memory`. Progress is called on the calling thread only. The error of the earliest
// damaged piece wins, whatever the threads' timing.
Status load_pieces(const Model& model, const BulkReader& reader, ChunkChecks& checks,
                   std::span<const Residence::Piece> pieces, std::span<std::byte> memory, ThreadPool& pool,
                   const Progress& progress);

}  // namespace sluice
