// SPDX-License-Identifier: Apache-2.0
// The Session: the tokens of one conversation and their keys and values. The only thing that changes per conversation.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <span>

#include "runtime/engine/engine.h"
#include "runtime/sampling/sampler.h"

namespace sluice {

class Session {
 public:
  static Result<std::unique_ptr<Session>> create(Engine& engine);

  // Appends tokens, in chunks of the engine's rows. For each index with wants_logits (empty: only the last) calls
  // on_logits, in order, with n_vocab floats; false cancels (kCancelled, all fed so far is held).
  // kUsage: token out of range, context full; nothing is held then. A failing step leaves what was held before its
  // chunk. `on_chunk` after each chunk: tokens done; false cancels.
  using OnLogits = std::function<bool(size_t index, std::span<const float> logits)>;
  using OnChunk = std::function<bool(size_t done, size_t total)>;
  Status feed(std::span<const int32_t> tokens, std::span<const bool> wants_logits, const OnLogits& on_logits,
              const OnChunk& on_chunk = nullptr);

  std::span<const int32_t> tokens() const { return held_.as<int32_t>().first(n_held_); }
  uint32_t n_ctx() const { return cache_.n_ctx(); }

  // Forgets all tokens after the first n. kUsage when fewer are held.
  Status truncate(size_t n);

  // Ends a running generation or feed at its next token, chunk, or layer of a large chunk; from any thread. Stays set
  // until it was heard.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool take_cancel() { return cancelled_.exchange(false, std::memory_order_relaxed); }

  Engine& engine() const { return engine_; }
  Sampler& sampler() { return sampler_; }

 private:
  explicit Session(Engine& engine) : engine_(engine) {}
  Status give_logits(std::span<const bool> wants, size_t first, uint32_t n_rows, size_t n_tokens,
                     const OnLogits& on_logits);

  Engine& engine_;
  KvCache cache_;
  Sampler sampler_;
  Block held_;  // int32 [n_ctx]
  size_t n_held_ = 0;
  std::atomic<bool> cancelled_{false};
};

}  // namespace sluice
