// SPDX-License-Identifier: Apache-2.0
#include "runtime/session/session.h"

#include <algorithm>
#include <cstring>

namespace sluice {
namespace {

Error cancelled(const Engine& engine) {
  return make_error(Code::kCancelled, engine.model().name(), kNoOffset, "cancelled");
}

// Whether logits of any of the n tokens from `first` on are wanted.
bool any_wanted(std::span<const bool> wants, size_t first, size_t n, size_t n_tokens) {
  if (wants.empty()) return first + n == n_tokens;
  const std::span<const bool> rows = wants.subspan(first, n);
  return std::find(rows.begin(), rows.end(), true) != rows.end();
}

}  // namespace

Result<std::unique_ptr<Session>> Session::create(Engine& engine) {
  std::unique_ptr<Session> session(new Session(engine));
  const uint32_t n_ctx = engine.plan().n_ctx;
  SLUICE_TRY(session->cache_, engine.make_cache());
  SLUICE_TRY(session->sampler_, Sampler::create(engine.n_vocab(), n_ctx, engine.accountant()));
  SLUICE_TRY(session->held_, engine.accountant().allocate(MemoryKind::kOther, uint64_t(n_ctx) * sizeof(int32_t)));
  return session;
}

Status Session::feed(std::span<const int32_t> tokens, std::span<const bool> wants_logits, const OnLogits& on_logits,
                     const OnChunk& on_chunk) {
  if (tokens.size() > n_ctx() - n_held_)
    return make_error(Code::kUsage, "context", kNoOffset,
                      "%zu tokens are held and %zu more do not fit the context of %u", n_held_, tokens.size(), n_ctx());
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || uint32_t(tokens[i]) >= engine_.n_vocab())
      return make_error(Code::kUsage, "tokens", kNoOffset, "token %zu is %d, the vocabulary has %u", i, tokens[i],
                        engine_.n_vocab());
  for (size_t done = 0; done < tokens.size();) {
    const uint32_t n = uint32_t(std::min<size_t>(tokens.size() - done, engine_.max_rows()));
    const SequenceTokens rows{tokens.subspan(done, n), uint32_t(n_held_), &cache_};
    const bool logits_follow = on_logits && any_wanted(wants_logits, done, n, tokens.size());
    const auto stop = [this] { return take_cancel(); };
    SLUICE_DO(engine_.step({&rows, 1}, stop, logits_follow));
    std::memcpy(held_.as<int32_t>().data() + n_held_, rows.tokens.data(), n * sizeof(int32_t));
    n_held_ += n;
    SLUICE_DO(give_logits(wants_logits, done, n, tokens.size(), on_logits));
    done += n;
    if (on_chunk && !on_chunk(done, tokens.size())) return cancelled(engine_);
    if (done < tokens.size() && take_cancel()) return cancelled(engine_);
  }
  return {};
}

Status Session::give_logits(std::span<const bool> wants, size_t first, uint32_t n_rows, size_t n_tokens,
                            const OnLogits& on_logits) {
  if (!on_logits) return {};
  const auto wanted = [&](uint32_t row) { return wants.empty() ? first + row + 1 == n_tokens : wants[first + row]; };
  constexpr uint32_t kBatch = 64;  // rows asked for at a time, at most
  uint32_t rows[kBatch];
  for (uint32_t row = 0; row < n_rows;) {
    uint32_t n = 0;
    for (; row < n_rows && n < std::min(kBatch, engine_.max_logit_rows()); ++row)
      if (wanted(row)) rows[n++] = row;
    if (n == 0) break;
    SLUICE_TRY(const std::span<const float> logits, engine_.logits({rows, n}));
    for (uint32_t i = 0; i < n; ++i)
      if (!on_logits(first + rows[i], logits.subspan(size_t(i) * engine_.n_vocab(), engine_.n_vocab())))
        return cancelled(engine_);
  }
  return {};
}

Status Session::truncate(size_t n) {
  if (n > n_held_)
    return make_error(Code::kUsage, "truncate", kNoOffset, "%zu tokens are to be kept but only %zu are held", n,
                      n_held_);
  n_held_ = n;
  return {};
}

}  // namespace sluice
