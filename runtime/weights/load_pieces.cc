// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/load_pieces.h"

#include <fcntl.h>

#include <atomic>
#include <mutex>
#include <new>

#include "base/source.h"

namespace sluice {
namespace {

// Forgets the pages of a range of the source, where it is a file.
void drop_pages(const ByteSource& source, uint64_t offset, uint64_t bytes) {
  if (auto* file = dynamic_cast<const FileSource*>(&source))
    posix_fadvise(file->file().fd(), off_t(file->base() + offset), off_t(bytes), POSIX_FADV_DONTNEED);
}

struct Loading {
  Loading(const Model& m, const Residence& r, std::span<std::byte> to, bool drop, const Progress& p)
      : model(m), residence(r), memory(to), drop_cache(drop), progress(p) {}

  const Model& model;
  const Residence& residence;
  std::span<std::byte> memory;
  bool drop_cache;
  const Progress& progress;

  std::atomic<size_t> next{0};
  std::atomic<uint64_t> done_bytes{0};
  std::atomic<bool> stopped{false}, no_memory{false};
  std::mutex mutex;  // of the two below
  size_t failed_piece = ~size_t{0};
  Status failure;

  Status load(const Residence::Piece& piece) {
    const std::span<std::byte> data = memory.subspan(piece.memory_offset, piece.bytes);
    SLUICE_DO(model.source().read_at(piece.file_offset, data));
    for (uint32_t c = piece.first_chunk; c < piece.first_chunk + piece.n_chunks; ++c) {
      const uint64_t at = residence.chunk_place[c];
      SLUICE_DO(check_chunk(model, c, memory.subspan(at, model.header().chunks()->Get(c)->bytes())));
    }
    if (drop_cache) drop_pages(model.source(), piece.file_offset, piece.bytes);
    return {};
  }

  void fail(size_t piece, Status status) {
    std::lock_guard lock(mutex);
    if (piece < failed_piece) failed_piece = piece, failure = std::move(status);
    stopped = true;
  }

  void work(int thread) {
    for (size_t i; !stopped && (i = next++) < residence.pieces.size();) {
      Status status = load(residence.pieces[i]);
      if (!status.ok()) return fail(i, std::move(status));
      done_bytes += residence.pieces[i].bytes;
      if (thread == 0 && progress && !progress(done_bytes, residence.weight_bytes))
        return fail(i, make_error(Code::kCancelled, model.name(), kNoOffset, "cancelled"));
    }
  }
};

}  // namespace

Status load_pieces(const Model& model, const Residence& residence, std::span<std::byte> memory, ThreadPool& pool,
                   bool drop_cache, const Progress& progress) {
  Loading loading(model, residence, memory, drop_cache, progress);
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
