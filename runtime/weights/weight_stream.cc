// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/weight_stream.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "base/signals_blocked.h"

namespace sluice {

// Reads that may be due before the one that is waited for, and that one: under a limit none comes sooner.
static constexpr uint64_t kPacedSlots = WeightStream::kReaders + 2;

// ---- making it, and its end --------------------------------------------------------------------------------------

WeightStream::WeightStream(std::shared_ptr<const Model> model, std::shared_ptr<const BulkReader> reader,
                           std::shared_ptr<ChunkChecks> checks, Config config,
                           std::span<const std::byte*> chunk_pointers)
    : model_(std::move(model)),
      reader_(std::move(reader)),
      checks_(std::move(checks)),
      pieces_(std::move(config.pieces)),
      n_body_(config.n_body),
      slot_bytes_(config.slot_bytes),
      patience_(config.patience + std::chrono::ceil<std::chrono::milliseconds>(
                                      ReadPace(config.bytes_per_s, 0).time_of(kPacedSlots * config.slot_bytes))),
      chunk_pointers_(chunk_pointers),
      resident_pointers_(chunk_pointers.begin(), chunk_pointers.end()),
      slots_(config.n_slots),
      pace_(config.bytes_per_s, config.slot_bytes) {}

Result<std::unique_ptr<WeightStream>> WeightStream::create(std::shared_ptr<const Model> model,
                                                           std::shared_ptr<const BulkReader> reader,
                                                           std::shared_ptr<ChunkChecks> checks, Config config,
                                                           std::span<const std::byte*> chunk_pointers,
                                                           Accountant& accountant) {
  SLUICE_CHECK(!config.pieces.empty() && config.n_slots >= slots_needed(config.pieces));
  for (const StreamPiece& piece : config.pieces) SLUICE_CHECK(piece.bytes <= config.slot_bytes);
  std::unique_ptr<WeightStream> stream(
      new WeightStream(std::move(model), std::move(reader), std::move(checks), std::move(config), chunk_pointers));
  SLUICE_TRY(stream->window_, accountant.allocate(MemoryKind::kIo, stream->slots_.size() * stream->slot_bytes_));
  stream->readers_.reserve(kReaders);
  const SignalsBlocked blocked;
  try {
    for (int i = 0; i < kReaders; ++i) stream->readers_.emplace_back([s = stream.get()] { s->read_ahead(); });
  } catch (const std::system_error& e) {
    return make_error(Code::kFailed, "", kNoOffset, "cannot start a thread that reads weights: %s",
                      e.code().message().c_str());
  }
  return stream;
}

WeightStream::~WeightStream() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_readers_.notify_all();
  for (std::thread& reader : readers_) reader.join();
  std::copy(resident_pointers_.begin(), resident_pointers_.end(), chunk_pointers_.begin());
}

// ---- the readers -------------------------------------------------------------------------------------------------

void WeightStream::read_ahead() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_readers_.wait(lock, [&] { return stop_ || (!halted_ && claimed_ < released_ + slots_.size()); });
    if (stop_) return;
    if (pace_.next() > ReadPace::Clock::now()) {
      wake_readers_.wait_until(lock, pace_.next());
      continue;
    }
    pace_.begin(ReadPace::Clock::now(), pieces_[next_to_claim_].bytes);
    const uint64_t sequence = claimed_++;
    const uint32_t index = next_to_claim_;
    next_to_claim_ = after(index);
    Slot& mine = slot(sequence);
    mine.piece = index, mine.state = State::kLoading, mine.no_memory = false;
    ++n_loading_;
    lock.unlock();

    Status status;
    bool no_memory = false;
    try {  // a message that cannot be allocated must not end the thread
      status = load(pieces_[index], {memory(sequence), pieces_[index].bytes});
    } catch (const std::bad_alloc&) {
      no_memory = true;
    }

    lock.lock();
    --n_loading_;
    if (status.ok() && !no_memory) {
      mine.state = State::kReady;
      bytes_read_ += pieces_[index].bytes;
    } else {
      mine.state = State::kFailed, mine.no_memory = no_memory, mine.failure = std::move(status);
      halted_ = true;
    }
    wake_consumer_.notify_one();
  }
}

Status WeightStream::load(const StreamPiece& piece, std::span<std::byte> to) const {
  SLUICE_DO(reader_->read(piece.file_offset, to));
  return checks_->check_all(piece.first_chunk, piece.n_chunks, to);
}

uint32_t WeightStream::after(uint32_t piece) const {
  if (piece + 1 == pieces_.size()) return 0;
  return piece + 1 == n_body_ && !head_follows_ ? 0 : piece + 1;
}

// ---- the consumer ------------------------------------------------------------------------------------------------

void WeightStream::begin_step(bool head_follows) {
  {
    std::lock_guard lock(mutex_);
    give_back();
    head_follows_ = head_follows;
    stale_before_ = claimed_;
  }
  wake_readers_.notify_all();
}

uint32_t WeightStream::next_in_order() const {
  return taken_ < claimed_ ? slots_[taken_ % slots_.size()].piece : next_to_claim_;
}

uint32_t WeightStream::ready(uint32_t piece) {
  std::lock_guard lock(mutex_);
  uint32_t n = 0;
  while (!forget_ && taken_ + n < claimed_ && slot(taken_ + n).state == State::kReady &&
         slot(taken_ + n).piece == piece + n)
    ++n;
  return n;
}

Status WeightStream::take(uint32_t piece) {
  SLUICE_DCHECK(piece < pieces_.size());
  std::unique_lock lock(mutex_);
  for (;;) {
    // After a failed read nothing more is claimed; what was claimed before it still comes.
    if ((forget_ || next_in_order() != piece || (halted_ && taken_ == claimed_)) && !restart(piece, lock))
      return stalled(piece);
    SLUICE_CHECK(taken_ < released_ + slots_.size());  // else all slots are in use and this would wait for ever
    const auto came = [&] { return taken_ < claimed_ && slot(taken_).state != State::kLoading; };
    if (!wake_consumer_.wait_for(lock, patience_, came)) return stalled(piece);
    Slot& next = slot(taken_);
    if (next.state == State::kReady) break;
    if (!drop_ahead(lock)) return stalled(piece);
    if (taken_ < std::exchange(stale_before_, 0)) continue;
    give_back();
    if (next.no_memory) throw std::bad_alloc();
    return std::move(next.failure);
  }
  publish(taken_++);
  return {};
}

void WeightStream::release() {
  {
    std::lock_guard lock(mutex_);
    SLUICE_CHECK(released_ < taken_);
    unpublish(released_++);
  }
  wake_readers_.notify_one();
}

void WeightStream::give_back() {
  while (released_ < taken_) unpublish(released_++);
}

// Ends all that is read ahead; false if reads do not end. Slots are not reused before they have.
bool WeightStream::drop_ahead(std::unique_lock<std::mutex>& lock) {
  halted_ = true;
  if (!wake_consumer_.wait_for(lock, patience_, [&] { return n_loading_ == 0; })) return false;
  claimed_ = taken_;
  return true;
}

// Reads from `piece` on. What was taken right before it is still to be computed with.
bool WeightStream::restart(uint32_t piece, std::unique_lock<std::mutex>& lock) {
  if (released_ < taken_ && slot(taken_ - 1).piece + 1 != piece) give_back();
  if (!drop_ahead(lock)) return false;
  next_to_claim_ = piece;
  halted_ = forget_ = false;
  wake_readers_.notify_all();
  return true;
}

void WeightStream::forget() {
  std::lock_guard lock(mutex_);
  give_back();
  forget_ = true;
}

Error WeightStream::stalled(uint32_t piece) const {
  return make_error(Code::kFailed, model_->name(), pieces_[piece].file_offset,
                    "the disk has not answered for %.3g seconds", double(patience_.count()) / 1000);
}

void WeightStream::publish(uint64_t sequence) {
  const StreamPiece& piece = pieces_[slot(sequence).piece];
  const std::byte* at = memory(sequence);
  for (uint32_t c = piece.first_chunk; c < piece.first_chunk + piece.n_chunks; ++c) {
    chunk_pointers_[c] = at;
    at += round_up(uint64_t(model_->header().chunks()->Get(c)->bytes()), kSlmAlignment);
  }
}

void WeightStream::unpublish(uint64_t sequence) {
  const StreamPiece& piece = pieces_[slot(sequence).piece];
  std::copy_n(resident_pointers_.begin() + piece.first_chunk, piece.n_chunks,
              chunk_pointers_.begin() + piece.first_chunk);
}

uint64_t WeightStream::bytes_read() {
  std::lock_guard lock(mutex_);
  return bytes_read_;
}

}  // namespace sluice
