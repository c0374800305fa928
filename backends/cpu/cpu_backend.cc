// SPDX-License-Identifier: Apache-2.0
// The CPU backend: one parallel region per submit(), in which all threads walk the phases together.
#include <algorithm>
#include <cstdlib>

#include "backends/cpu/isa_list.h"
#include "backends/cpu/worker.h"
#include "backends/devices.h"
#include "base/check.h"

namespace sluice {

namespace cpu {
namespace {

class CpuBackend final : public Backend {
 public:
  CpuBackend(const Kernels& kernels, ThreadPool& pool) {
    team_.pool = &pool;
    team_.kernels = &kernels;
    info_ = {"cpu", kernels.name, false, KvType::kQ8};
  }

  const BackendInfo& info() const override { return info_; }

  uint64_t scratch_bytes(const StepLimits& limits) const override {
    return lay_out(limits, uint32_t(team_.pool->size()), nullptr, nullptr);
  }

  Status prepare(const StepLimits& limits, Accountant& accountant) override {
    SLUICE_TRY(memory_, accountant.allocate(MemoryKind::kActivations, scratch_bytes(limits)));
    lay_out(limits, uint32_t(team_.pool->size()), memory_.data(), &team_.scratch);
    limits_ = limits;
    return {};
  }

  Status supports(const WeightFormat& f) const override {
    if (format_id(f)) return {};
    return make_error(Code::kBadModel, "", kNoOffset,
                      "the cpu backend cannot compute this weight format: code kind %d of %d bits, scale kind %d, "
                      "groups of %u, blocks of %u inputs in %u bytes%s",
                      int(f.code), int(f.code_bits), int(f.scale), f.group_size, f.block_inputs, f.block_bytes,
                      f.has_table ? ", with a table" : "");
  }

  Result<Ticket> submit(std::span<const Phase> program, std::span<const Ticket>) override {
    program_ = program;
    for (Team::Counter& counter : team_.counters) counter.next.store(0, std::memory_order_relaxed);
    team_.pool->run([](void* self, int thread) { static_cast<CpuBackend*>(self)->run(thread); }, this);
    return ++last_ticket_;
  }

  Status wait(Ticket) override { return {}; }  // submit() returns when the work is done

 private:
  void run(int thread) {
    Worker w(team_, thread);
    for (const Phase& phase : program_) {
      const StepRows& rows = *phase.rows;
      SLUICE_DCHECK(rows.n_rows <= limits_.max_rows);
      if (const auto* p = std::get_if<GatherPhase>(&phase.args))
        gather(w, *p);
      else if (const auto* p = std::get_if<QkvPhase>(&phase.args))
        qkv(w, rows, *p);
      else if (const auto* p = std::get_if<AttendPhase>(&phase.args))
        attend(w, rows, *p);
      else if (const auto* p = std::get_if<ProjectPhase>(&phase.args))
        project(w, rows, *p);
      else if (const auto* p = std::get_if<GateUpPhase>(&phase.args))
        gate_up(w, rows, *p);
      else if (const auto* p = std::get_if<HeadPhase>(&phase.args))
        head(w, rows, *p);
    }
  }

  BackendInfo info_;
  Team team_;
  StepLimits limits_;
  Block memory_;
  std::span<const Phase> program_;
  Ticket last_ticket_ = 0;
};

}  // namespace
}  // namespace cpu

std::vector<std::string> cpu_isas() {
  std::vector<std::string> names;
  for (const cpu::Kernels* k : cpu::usable_isas()) names.push_back(k->name);
  return names;
}

const cpu::Kernels* cpu::find_isa(std::string_view name) {
  for (const Kernels* k : usable_isas())
    if (name == k->name) return k;
  return nullptr;
}

Result<std::unique_ptr<Backend>> create_cpu_backend(std::string_view isa, ThreadPool& pool) {
  if (const cpu::Kernels* k = cpu::find_isa(isa))
    return std::unique_ptr<Backend>(std::make_unique<cpu::CpuBackend>(*k, pool));
  std::string available;
  for (const std::string& name : cpu_isas()) available += (available.empty() ? "" : ", ") + name;
  return make_error(Code::kNoDevice, "", kNoOffset, "this CPU or this build has no ISA path \"%.*s\"; available: %s",
                    int(std::min<size_t>(isa.size(), 64)), isa.data(), available.c_str());
}

Result<std::unique_ptr<Backend>> create_cpu_device(ThreadPool& pool) {
  const char* forced = std::getenv("SLUICE_ISA");
  if (forced && *forced) return create_cpu_backend(forced, pool);
  return std::unique_ptr<Backend>(std::make_unique<cpu::CpuBackend>(*cpu::usable_isas().back(), pool));
}

}  // namespace sluice
