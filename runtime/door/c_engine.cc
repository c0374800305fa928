// SPDX-License-Identifier: Apache-2.0
// The C door: engines, their memory and their machine.
#include <sys/resource.h>

#include <chrono>

#include "runtime/door/handles.h"
#include "runtime/engine/probe.h"

using namespace sluice;
using namespace sluice::door;

sluice_status sluice_engine_create(const sluice_model* model, const sluice_plan* plan, sluice_progress_fn progress,
                                   void* user, sluice_engine** engine, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_engine_create", model, plan, engine));
    if (plan->model != model->model)
      return make_error(Code::kUsage, "sluice_engine_create", kNoOffset, "the plan was made for another model");
    auto made = std::make_unique<sluice_engine>();
    const auto start = std::chrono::steady_clock::now();
    SLUICE_TRY(made->engine, Engine::create(model->model, plan->plan, progress_of(progress, user)));
    made->load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    *engine = made.release();
    return {};
  });
}

void sluice_engine_close(sluice_engine* engine) { delete engine; }

void sluice_engine_memory(const sluice_engine* engine, sluice_memory* memory) {
  if (engine == nullptr || memory == nullptr) return;
  sluice_memory m{};
  m.budget_bytes = engine->engine->accountant().budget();
  m.planned_bytes = engine->engine->plan().planned_bytes;
  m.used_bytes = engine->engine->accountant().used();
  m.peak_bytes = engine->engine->accountant().peak();
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) m.process_peak_bytes = uint64_t(usage.ru_maxrss) * 1024;
  write_struct(m, memory);
}

namespace {

// A running call serves it at its next pause; when none runs (any more), it is done here.
Status trim_beside_calls(sluice_engine& engine, uint64_t bytes) {
  constexpr std::chrono::milliseconds kLook{1};
  TrimRequests::Request request{bytes};
  TrimRequests& trims = engine.engine->trims();
  trims.post(request);
  do {
    if (const Turn turn(engine, Turn::Use::kTrim); turn.mine()) engine.engine->serve_trims();
  } while (!trims.wait(request, kLook));
  if (request.no_memory) throw std::bad_alloc();
  return std::move(request.status);
}

}  // namespace

sluice_status sluice_trim(sluice_engine* engine, uint64_t memory_bytes, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_trim", engine));
    if (engine->caller.load() == std::this_thread::get_id()) return engine->engine->trim(memory_bytes);  // a callback
    return trim_beside_calls(*engine, memory_bytes);
  });
}

void sluice_engine_get_info(const sluice_engine* engine, sluice_engine_info* info) {
  if (engine == nullptr || info == nullptr) return;
  const Engine& e = *engine->engine;
  sluice_engine_info i{};
  i.n_threads = uint32_t(e.plan().n_threads), i.n_ctx = e.plan().n_ctx, i.n_vocab = e.n_vocab();
  e.device().name.copy(i.device, sizeof i.device - 1);
  e.device().isa.copy(i.isa, sizeof i.isa - 1);
  i.load_s = engine->load_s;
  i.weight_bytes_per_token = e.plan().weight_bytes_per_token;
  i.streamed_bytes_per_token = e.plan().streamed_bytes_per_token;
  std::string_view(BulkReader::path_name(e.read_path())).copy(i.io, sizeof i.io - 1);
  write_struct(i, info);
}

sluice_status sluice_engine_probe(sluice_engine* engine, sluice_probe* probe, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_engine_probe", engine, probe));
    const Turn turn(*engine);
    SLUICE_DO(turn.status());
    const Probe measured = probe_engine(*engine->engine);
    write_struct(sluice_probe{sizeof(sluice_probe), measured.read_GB_s, measured.int8_GMAC_s}, probe);
    return {};
  });
}

sluice_status sluice_engine_collect_inputs(sluice_engine* engine, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_engine_collect_inputs", engine));
    const Turn turn(*engine);
    SLUICE_DO(turn.status());
    return engine->engine->collect_inputs();
  });
}

sluice_status sluice_engine_input_squares(sluice_engine* engine, const char* tensor, float* means, size_t columns,
                                          uint64_t* n_rows, sluice_error* error) {
  return guard(error, [&]() -> Status {
    constexpr const char* kName = "sluice_engine_input_squares";
    SLUICE_DO(require(kName, engine, tensor, means, n_rows));
    const Turn turn(*engine);
    SLUICE_DO(turn.status());
    const InputSquares& squares = engine->engine->input_squares();
    if (!squares.active()) return make_error(Code::kUsage, kName, kNoOffset, "nothing is collected");
    const uint32_t index = engine->engine->model().find(std::string_view(tensor));
    if (index == Model::kAbsent) return make_error(Code::kUsage, tensor, kNoOffset, "the model has no such tensor");
    const std::span<const double> sums = squares.sums(index);
    const uint64_t rows = squares.rows(index);
    if (sums.size() != columns || rows == 0) {
      return make_error(Code::kUsage, tensor, kNoOffset,
                        "%zu input columns were summed over %llu rows, %zu are asked for", sums.size(),
                        static_cast<unsigned long long>(rows), columns);
    }
    for (size_t i = 0; i < columns; ++i) means[i] = float(sums[i] / double(rows));
    *n_rows = rows;
    return {};
  });
}
