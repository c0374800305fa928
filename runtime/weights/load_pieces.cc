// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/load_pieces.h"

#include <atomic>
#include <mutex>
#include <new>

namespace sluice {
namespace {

struct Loading {
  Loading(const Model& m, const BulkReader& from, ChunkChecks& c, std::span<const Residence::Piece> all,
          std::span<std::byte> to, const Progress& p)
      : model(m), reader(from), checks(c), pieces(all), memory(to), progress(p) {
    for (const Residence::Piece& piece : pieces) total_bytes += piece.bytes;
  }

  const Model& model;
  const BulkReader& reader;
  ChunkChecks& checks;
  std::span<const Residence::Piece> pieces;
  std::span<std::byte> memory;
  const Progress& progress;
  uint64_t total_bytes = 0;

  std::atomic<size_t> next{0};
  std::atomic<uint64_t> done_bytes{0};
  std::atomic<bool> stopped{false}, no_memory{false};
  std::mutex mutex;  // of the two below
  size_t failed_piece = ~size_t{0};
  Status failure;

  Status load(const Residence::Piece& piece) {
    const std::span<std::byte> data = memory.subspan(piece.memory_offset, piece.bytes);
    SLUICE_DO(reader.read(piece.file_offset, data));
    return checks.check_all(piece.first_chunk, piece.n_chunks, data);
  }

  void fail(size_t piece, Status status) {
    std::lock_guard lock(mutex);
    if (piece < failed_piece) failed_piece = piece, failure = std::move(status);
    stopped = true;
  }

  void work(int thread) {
    for (size_t i; !stopped && (i = next++) < pieces.size();) {
      Status status = load(pieces[i]);
      if (!status.ok()) return fail(i, std::move(status));
      done_bytes += pieces[i].bytes;
      if (thread == 0 && progress && !progress(done_bytes, total_bytes))
        return fail(i, make_error(Code::kCancelled, model.name(), kNoOffset, "cancelled"));
    }
  }
};

}  // namespace

Status load_pieces(const Model& model, const BulkReader& reader, ChunkChecks& checks,
                   std::span<const Residence::Piece> pieces, std::span<std::byte> memory, ThreadPool& pool,
                   const Progress& progress) {
  Loading loading(model, reader, checks, pieces, memory, progress);
  const auto work = [](void* arg, int thread) {
    auto& loading = *static_cast<Loading*>(arg);
    try {  // a message that cannot be allocated must not end a worker
      loading.work(thread);
    } catch (const std::bad_alloc&) {
      loading.no_memory = loading.stopped = true;
    }
  };
  pool.run(work, &loading);
  if (loading.no_memory) throw std::bad_alloc();
  return std::move(loading.failure);
}

}  // namespace sluice
