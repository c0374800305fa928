// SPDX-License-Identifier: Apache-2.0
#include "toy.h"

#include <cstdio>
#include <cstring>

#include "runtime/sampling/random.h"
#include "sluice/convert.h"

namespace sluice::test {
namespace {

template <class R>
auto must(R result) {
  if (!result.ok()) {
    fprintf(stderr, "the toy failed: %s\n", result.error().text().c_str());
    abort();
  }
  return std::move(*result);
}

}  // namespace

std::string make_toy(const TemporaryFolder& folder, const ToyOptions& options, const std::string& name) {
  const std::string gguf = folder / (name + ".gguf"), slm = folder / (name + ".slm");
  make_toy_gguf(gguf, options);
  must(convert_file(gguf, slm));
  return slm;
}

ToyEngine load_toy(const std::string& path, const ToyEngineOptions& o) {
  ToyEngine toy;
  toy.model = must(Model::open(o.source ? o.source : must(FileSource::open(path))));
  const ModelTensors tensors = must(find_tensors(*toy.model));
  const std::unique_ptr<ThreadPool> pool = must(ThreadPool::create(o.n_threads));
  if (o.isa.empty())
    unsetenv("SLUICE_ISA");
  else
    setenv("SLUICE_ISA", o.isa.c_str(), 1);
  const std::unique_ptr<Backend> backend = must(create_backend(o.device, *pool));
  DeviceProfile device;
  device.name = o.device, device.kv_type = backend->info().kv_type;
  device.scratch_bytes = [&](const StepLimits& limits) { return backend->scratch_bytes(limits); };
  const Machine machine{uint64_t{1} << 30, o.n_threads};
  const PlanOptions options{o.n_threads,      o.budget_bytes, o.n_ctx,   o.max_rows,
                            o.max_logit_rows, o.window_slots, o.io_limit};
  const Plan plan = must(make_plan(shape_of(*toy.model, tensors), options, machine, device));
  toy.engine = must(Engine::create(toy.model, plan, nullptr));
  unsetenv("SLUICE_ISA");
  toy.session = must(Session::create(*toy.engine));
  return toy;
}

bool equal_bits(const Logits& a, const Logits& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
      return false;
  return true;
}

Logits feed_all(Session& session, const std::vector<int32_t>& tokens) {
  std::vector<std::vector<float>> all;
  const std::unique_ptr<bool[]> wants(new bool[tokens.size()]);
  std::fill_n(wants.get(), tokens.size(), true);
  const auto take = [&](size_t, std::span<const float> logits) {
    all.emplace_back(logits.begin(), logits.end());
    return true;
  };
  const Status fed = session.feed(tokens, {wants.get(), tokens.size()}, take);
  if (!fed.ok()) fprintf(stderr, "feeding failed: %s\n", fed.error().text().c_str()), abort();
  return all;
}

std::vector<int32_t> toy_tokens(size_t n, uint64_t seed) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < n; ++i) tokens.push_back(3 + int32_t(uniform_draw(seed, i) * 250));
  return tokens;
}

}  // namespace sluice::test
