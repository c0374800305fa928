// SPDX-License-Identifier: Apache-2.0
// The window: fixed slots through which the weights that are not resident pass, in the cyclic order in which steps need
// them. Reader threads keep it full, across the borders of tokens, chunks of a prompt and sessions; the one consumer
// takes pieces in order and gives each back when it was computed with. Knows nothing of phases.
//
// What protects what: all fields below mutex_ are touched under it. A slot's memory belongs to the reader that claimed
// it until the slot is kReady, then to the consumer until it is released; both changes happen under the mutex.
// Chunk pointers are written by the consumer's thread only.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/accountant.h"
#include "runtime/weights/bulk_reader.h"
#include "runtime/weights/chunk_checks.h"
#include "runtime/weights/read_pace.h"
#include "runtime/weights/stream_pieces.h"

namespace sluice {

class WeightStream {
 public:
  static constexpr int kReaders = 2;  // more gain nothing on any drive, and phones lose by them

  struct Config {
    std::vector<StreamPiece> pieces;            // the streamed ones; not empty
    uint32_t n_body = 0;                        // the first of them that belongs to the head; their number if none does
    uint32_t n_slots = 2;                       // at least slots_needed(pieces)
    uint64_t slot_bytes = 0;                    // at least the largest piece
    std::chrono::milliseconds patience{30000};  // with a read, before it counts as failed
    uint64_t bytes_per_s = 0;                   // read at most; 0: as fast as the disk allows
  };
  // `chunk_pointers`, by chunk, get their places in the window while a piece is taken, and their old values back.
  static Result<std::unique_ptr<WeightStream>> create(std::shared_ptr<const Model> model,
                                                      std::shared_ptr<const BulkReader> reader,
                                                      std::shared_ptr<ChunkChecks> checks, Config config,
                                                      std::span<const std::byte*> chunk_pointers,
                                                      Accountant& accountant);
  // Ends within the time of one read. No piece may be in use.
  ~WeightStream();

  std::span<const StreamPiece> pieces() const { return pieces_; }
  uint32_t n_slots() const { return uint32_t(slots_.size()); }

  // A pass over the pieces begins, in which the head follows the body or is left out: only a guess about what to read
  // ahead, a wrong one costs a seek. What is still taken is given back; what could not be read is tried again.
  void begin_step(bool head_follows);

  // How many pieces from `piece` on, the next in order, can be taken without waiting. 0 also if it is not the next.
  uint32_t ready(uint32_t piece);

  // Waits for the piece and publishes its chunks. One that does not follow the last one taken ends what was taken, and
  // one that is not the next in order discards what was read ahead. kFailed, kBadModel: its read or a hash failed, or
  // the disk does not answer; taking it again, in another step, reads it again.
  Status take(uint32_t piece);

  // The oldest piece taken is computed with: its slot is refilled.
  void release();

  // What was read ahead is not to be trusted.
  void forget();

  uint64_t bytes_read();

 private:
  enum class State : uint8_t { kLoading, kReady, kFailed };
  struct Slot {
    uint32_t piece = 0;
    State state = State::kLoading;
    bool no_memory = false;  // then std::bad_alloc is the failure
    Status failure;
  };

  WeightStream(std::shared_ptr<const Model> model, std::shared_ptr<const BulkReader> reader,
               std::shared_ptr<ChunkChecks> checks, Config config, std::span<const std::byte*> chunk_pointers);
  void read_ahead();
  Status load(const StreamPiece& piece, std::span<std::byte> to) const;
  uint32_t after(uint32_t piece) const;
  uint32_t next_in_order() const;
  void give_back();
  bool drop_ahead(std::unique_lock<std::mutex>& lock);
  bool restart(uint32_t piece, std::unique_lock<std::mutex>& lock);
  Error stalled(uint32_t piece) const;
  void publish(uint64_t sequence);
  void unpublish(uint64_t sequence);
  Slot& slot(uint64_t sequence) { return slots_[sequence % slots_.size()]; }
  std::byte* memory(uint64_t sequence) const { return window_.data() + sequence % slots_.size() * slot_bytes_; }

  const std::shared_ptr<const Model> model_;
  const std::shared_ptr<const BulkReader> reader_;
  const std::shared_ptr<ChunkChecks> checks_;
  const std::vector<StreamPiece> pieces_;
  const uint32_t n_body_;
  const uint64_t slot_bytes_;
  const std::chrono::milliseconds patience_;
  const std::span<const std::byte*> chunk_pointers_;
  std::vector<const std::byte*> resident_pointers_;  // what chunk_pointers_ held at first
  Block window_;

  std::mutex mutex_;
  std::condition_variable wake_readers_, wake_consumer_;
  std::vector<Slot> slots_;
  // Places in the endless sequence of pieces; released <= taken <= claimed <= released + n_slots.
  uint64_t released_ = 0, taken_ = 0, claimed_ = 0;
  uint32_t next_to_claim_ = 0;  // piece
  uint32_t n_loading_ = 0;
  bool head_follows_ = true;
  bool halted_ = false;        // a read failed or a seek is under way: nothing is claimed
  uint64_t stale_before_ = 0;  // reads begun before the current step: one that fails is tried again
  bool forget_ = false;        // what was claimed before must not be taken
  bool stop_ = false;
  uint64_t bytes_read_ = 0;
  ReadPace pace_;

  std::vector<std::thread> readers_;  // last: they use all of the above
};

}  // namespace sluice
