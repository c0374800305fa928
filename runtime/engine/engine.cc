// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/engine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "runtime/engine/rope.h"
#include "runtime/model/shape.h"

namespace sluice {

static_assert(kMaxPlannedContext * kMaxRopeFrequency <= kMaxAngle);

// ---- the token path ----------------------------------------------------------------------------------------------

Status Engine::step(std::span<const SequenceTokens> sequences, const std::function<bool()>& stop, bool logits_follow) {
  const fb::Config& config = model_->config();
  rows_ = {};
  SLUICE_DO(pause());
  SLUICE_DO(look_at_file());
  if (stream_) stream_->begin_step(logits_follow);
  for (const SequenceTokens& s : sequences) {
    const uint32_t first = rows_.n_rows, n = uint32_t(s.tokens.size());
    SLUICE_CHECK(n > 0 && first + n <= max_rows() && s.pos + n <= s.cache->n_ctx());
    SLUICE_DO(gatherer_->gather(s.tokens, gather_rows_.data() + first, first));
    for (uint32_t r = 0; r < config.ropes()->size(); ++r) {
      const fb::Rope& rope = *config.ropes()->Get(r);
      const std::span inv_freq(rope.inv_freq()->data(), rope.inv_freq()->size());
      for (uint32_t i = 0; i < n; ++i) {
        const size_t at = size_t(first + i) * inv_freq.size();
        rope_row(s.pos + i, inv_freq, rope.magnitude(), buffers_.cos[r] + at, buffers_.sin[r] + at);
      }
    }
    sequences_[rows_.sequences.size()] = {first, n, s.pos, s.cache->n_slots(), s.cache->type(), s.cache->layers()};
    rows_.sequences = std::span<const SequenceRows>(sequences_).first(rows_.sequences.size() + 1);
    rows_.n_rows += n;
  }
  program_.gather().rows = std::span<const GatherRow>(gather_rows_).first(rows_.n_rows);

  // Gather; per layer qkv, attend, project, gate_up, down.
  constexpr size_t kPhasesOfALayer = size_t(LayerPhase::kCount);
  const bool ask = stop && (rows_.n_rows >= kManyRows || stream_);
  const std::span<const Phase> body = program_.body();
  for (size_t i = 0, n; i < body.size(); i += n) {
    if (ask && stop()) return make_error(Code::kCancelled, model_->name(), kNoOffset, "cancelled");
    n = ask ? std::min(body.size() - i, kPhasesOfALayer) : body.size();
    SLUICE_DO(run(body.subspan(i, n), uint32_t(i)));
  }
  SLUICE_DO(unchanged_file());
  input_squares_.count_rows(rows_.n_rows);
  return {};
}

// `number`: of the first of the phases. Those with resident weights go to the device together.
Status Engine::run(std::span<const Phase> phases, uint32_t number) {
  while (!phases.empty()) {
    if (number > 0) SLUICE_DO(pause());  // not between the gathering of rows and the phase that takes them
    size_t n = stages_ ? 0 : phases.size();
    while (n < phases.size() && !stages_->streamed(number + uint32_t(n))) ++n;
    if (n > 0) {
      SLUICE_TRY(const Ticket done, backend_->submit(phases.first(n), {}));
      SLUICE_DO(backend_->wait(done));
    } else {
      SLUICE_DO(stages_->run(phases.front(), number));
      n = 1;
    }
    phases = phases.subspan(n), number += uint32_t(n);
  }
  return {};
}

Result<std::span<const float>> Engine::logits(std::span<const uint32_t> rows) {
  SLUICE_CHECK(rows.size() <= max_logit_rows());
  program_.head().row_index = rows;
  SLUICE_DO(run(program_.head_only(), uint32_t(program_.body().size())));
  SLUICE_DO(unchanged_file());
  input_squares_.count_head_rows(rows.size());
  return std::span<const float>(logits_.as<float>().first(rows.size() * n_vocab()));
}

// ---- a file that changes while it is in use ----------------------------------------------------------------------

// What was read with the right hash from a file that has changed since proves nothing: all of it is checked anew.
Status Engine::look_at_file() {
  if (!stream_ && !gatherer_->reads()) return {};
  const uint64_t version = reader_->version();
  if (version == file_version_) return {};
  log(LogLevel::kWarning,
      "%s: the file was changed or replaced while it is in use; all that is read of it is checked again",
      model_->name().c_str());
  checks_->forget();
  if (stream_) stream_->forget();
  file_version_ = version;
  return {};
}

Status Engine::unchanged_file() const {
  if ((!stream_ && !gatherer_->reads()) || reader_->version() == file_version_) return {};
  return make_error(Code::kBadModel, model_->name(), kNoOffset, "the file was changed while weights were read from it");
}

// ---- making it ---------------------------------------------------------------------------------------------------

Error Engine::no_fit(const Model& model, const Plan& plan) {
  return make_error(
      Code::kNoFit, model.name(), kNoOffset,
      "%llu bytes are needed with a context of %u and the budget is %llu; the smallest that works is %llu%s",
      (unsigned long long)(plan.planned_bytes), plan.n_ctx, (unsigned long long)(plan.budget_bytes),
      (unsigned long long)(plan.minimum_bytes),
      plan.max_n_ctx ? (", the largest context that fits is " + std::to_string(plan.max_n_ctx)).c_str() : "");
}

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model, const Plan& plan,
                                               const Progress& progress, uint64_t sample_bytes) {
  if (!plan.fits()) return no_fit(*model, plan);
  std::unique_ptr<Engine> engine(new Engine(plan));
  Accountant& accountant = engine->accountant_;
  engine->model_ = model;
  SLUICE_TRY(engine->tensors_, find_tensors(*model));
  engine->shape_ = shape_of(*model, engine->tensors_);
  if (sample_bytes > 0) engine->sample_ = weight_sample(*model, engine->tensors_, sample_bytes);
  SLUICE_DO(engine->charge_opened_model());
  SLUICE_TRY(engine->pool_, ThreadPool::create(plan.n_threads));
  SLUICE_TRY(engine->backend_, create_backend(plan.device, *engine->pool_));
  engine->checks_ = std::make_shared<ChunkChecks>(model);
  engine->reader_ = BulkReader::open(model->shared_source(), plan.window.n_slots > 0 || plan.strict_budget);
  engine->file_version_ = engine->reader_->version();
  SLUICE_TRY(engine->weights_, WeightStore::create(model, engine->checks_, *engine->reader_, accountant));
  SLUICE_DO(engine->check_formats());
  SLUICE_DO(engine->make_ready(progress));
  SLUICE_TRY(engine->buffers_, make_buffers(engine->shape_, plan.max_rows, accountant));
  SLUICE_TRY(engine->logits_, accountant.allocate(MemoryKind::kLogits,
                                                  uint64_t(plan.max_logit_rows) * engine->n_vocab() * sizeof(float)));
  SLUICE_DO(engine->backend_->prepare(step_limits(engine->shape_, plan.n_ctx, plan.max_rows, plan.max_logit_rows),
                                      accountant));
  engine->gather_rows_.resize(plan.max_rows);
  engine->sequences_.resize(plan.max_rows);
  engine->program_ = Program(*model, engine->tensors_, engine->weights_, engine->buffers_,
                             engine->logits_.as<float>().data(), &engine->rows_);
  engine->own_bytes_ = accountant.used();
  const BackendInfo& info = engine->backend_->info();
  log(LogLevel::kInfo,
      "%s: computed by %s (%s) on %d threads, context %u, %llu of %llu bytes planned, %llu bytes streamed for each "
      "token",
      model->name().c_str(), info.name.c_str(), info.isa.c_str(), plan.n_threads, plan.n_ctx,
      (unsigned long long)(plan.planned_bytes), (unsigned long long)(plan.budget_bytes),
      (unsigned long long)(plan.streamed_bytes_per_token));
  return engine;
}

// The opened model is part of the promise although nobody asks for its bytes here.
Status Engine::charge_opened_model() {
  SLUICE_DO(accountant_.charge(MemoryKind::kHeader, plan_.part(Part::kHeader)));
  return accountant_.charge(MemoryKind::kTokenizer, plan_.part(Part::kTokenizer));
}

// Makes true what the plan says of weights, after whatever was true before. After an error it can be tried again.
Status Engine::make_ready(const Progress& progress) {
  if (ready_) return {};
  const uint64_t others = accountant_.used() - own_bytes_;
  const auto own = [&] { own_bytes_ = accountant_.used() - others; };
  try {
    Status status = make_weights_ready(progress);
    own();
    return status;
  } catch (const std::bad_alloc&) {
    own();
    throw;
  }
}

Status Engine::make_weights_ready(const Progress& progress) {
  stages_.reset(), stream_.reset(), gatherer_.reset();
  const bool around_cache = plan_.window.n_slots > 0 || plan_.strict_budget;
  if (around_cache && reader_->path() == BulkReader::Path::kCached)
    reader_ = BulkReader::open(model_->shared_source(), true);
  Share share = sample_.empty() ? share_of(*model_, tensors_, plan_.window) : share_of_sample(sample_);
  SLUICE_DO(hold_weights(share, progress));
  weights_.stand_in(sample_);
  if (!share.streamed.empty()) {
    WeightStream::Config config{std::move(share.streamed), share.n_body, plan_.window.n_slots, plan_.window.slot_bytes};
    config.bytes_per_s = plan_.io_limit;
    SLUICE_TRY(stream_, WeightStream::create(model_, reader_, checks_, std::move(config), weights_.chunk_pointers(),
                                             accountant_));
    stages_ = std::make_unique<Stages>(*stream_, *backend_, head_phase_number(uint32_t(tensors_.layers.size())) + 1);
  }
  SLUICE_TRY(gatherer_,
             RowGatherer::create(model_, tensors_.embedding, weights_, reader_, checks_, plan_.max_rows, accountant_));
  ready_ = true;
  return {};
}

// First what is given back, then the budget, then what is taken.
Status Engine::hold_weights(const Share& share, const Progress& progress) {
  SLUICE_DO(weights_.drop_others(share.resident));
  accountant_.release(MemoryKind::kOther, std::exchange(unasked_bytes_, 0));
  if (plan_.budget_bytes != accountant_.budget()) SLUICE_DO(accountant_.set_budget(plan_.budget_bytes));
  // The program and its threads hold memory that nobody asks for here.
  const uint64_t unasked = plan_.part(Part::kProgram) + plan_.part(Part::kThreads) + plan_.part(Part::kTables);
  SLUICE_DO(accountant_.charge(MemoryKind::kOther, unasked));
  unasked_bytes_ = unasked;
  return weights_.add(share.resident, *reader_, *pool_, accountant_, progress);
}

Status Engine::check_formats() const {
  const auto check = [&](uint32_t tensor) -> Status {
    Status status = backend_->supports(*weights_.format(tensor));
    if (status.ok()) return status;
    Error error = std::move(status.error());
    const auto* name = model_->tensor(tensor).source_name();
    error.place = model_->name() + (name ? ", tensor " + name->str() : "");
    return error;
  };
  SLUICE_DO(check(tensors_.embedding));
  SLUICE_DO(check(tensors_.head));
  for (const LayerTensors& t : tensors_.layers)
    for (uint32_t tensor : {t.q, t.k, t.v, t.attn_output, t.gate, t.up, t.down}) SLUICE_DO(check(tensor));
  return {};
}

Result<KvCache> Engine::make_cache() {
  return KvCache::create(kv_shapes(shape_), plan_.kv_type, plan_.n_ctx, accountant_);
}

Status Engine::collect_inputs() {
  if (!device().f32_activations) {
    return make_error(Code::kUsage, "device", kNoOffset,
                      "%s computes with 8-bit activations; inputs are collected by the reference device",
                      device().name.c_str());
  }
  if (input_squares_.active()) return {};
  const uint64_t bytes = block_bytes(InputSquares::bytes(program_));
  // The room that the plan left for a session is none for the sums.
  const uint64_t used = accountant_.used(), session = session_bytes(shape_, plan_.kv_type, plan_.n_ctx);
  const uint64_t promised = std::max(used, own_bytes_ + session);
  if (stream_ && promised + bytes > accountant_.budget()) SLUICE_DO(change_budget(plan_.budget_bytes, bytes));
  const uint64_t before = accountant_.used();
  SLUICE_TRY(input_squares_, InputSquares::create(program_, tensors_, accountant_));
  own_bytes_ += accountant_.used() - before, unplanned_bytes_ += accountant_.used() - before;
  return {};
}

}  // namespace sluice
