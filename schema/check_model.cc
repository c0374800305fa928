// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <vector>

#include "schema/check.h"

namespace sluice {

namespace {

// ---- which tensors a model consists of ---------------------------------------------------------------------------

// Where a role occurs, and whether it must.
enum class Need {
  kGlobal,
  kUntied,
  kLayer,
  kLayerOptional,
  kDense,
  kRouted,
  kRoutedOptional,
  kExpert,
  kShared,
  kSharedOptional
};
enum class Dim { kOne, kModel, kQ, kKv, kHeads, kHeadDim, kFf, kVocab, kExperts, kFfExpert, kFfShared };

// Roles in the order of fb::Role. A role with one row is a vector: f32, read as a row-major table of one row.
struct RoleRule {
  fb::Role role;
  Need need;
  Dim rows, cols;
};
constexpr RoleRule kRules[] = {
    {fb::Role::TokenEmbedding, Need::kGlobal, Dim::kVocab, Dim::kModel},
    {fb::Role::OutputHead, Need::kUntied, Dim::kVocab, Dim::kModel},
    {fb::Role::OutputNorm, Need::kGlobal, Dim::kOne, Dim::kModel},
    {fb::Role::AttnNorm, Need::kLayer, Dim::kOne, Dim::kModel},
    {fb::Role::AttnQ, Need::kLayer, Dim::kQ, Dim::kModel},
    {fb::Role::AttnK, Need::kLayer, Dim::kKv, Dim::kModel},
    {fb::Role::AttnV, Need::kLayer, Dim::kKv, Dim::kModel},
    {fb::Role::AttnQBias, Need::kLayerOptional, Dim::kOne, Dim::kQ},
    {fb::Role::AttnKBias, Need::kLayerOptional, Dim::kOne, Dim::kKv},
    {fb::Role::AttnVBias, Need::kLayerOptional, Dim::kOne, Dim::kKv},
    {fb::Role::AttnOutput, Need::kLayer, Dim::kModel, Dim::kQ},
    {fb::Role::AttnOutputBias, Need::kLayerOptional, Dim::kOne, Dim::kModel},
    {fb::Role::AttnQNorm, Need::kLayerOptional, Dim::kOne, Dim::kHeadDim},
    {fb::Role::AttnKNorm, Need::kLayerOptional, Dim::kOne, Dim::kHeadDim},
    {fb::Role::AttnPostNorm, Need::kLayerOptional, Dim::kOne, Dim::kModel},
    {fb::Role::AttnSinks, Need::kLayerOptional, Dim::kOne, Dim::kHeads},
    {fb::Role::FfnNorm, Need::kLayer, Dim::kOne, Dim::kModel},
    {fb::Role::FfnGate, Need::kDense, Dim::kFf, Dim::kModel},
    {fb::Role::FfnUp, Need::kDense, Dim::kFf, Dim::kModel},
    {fb::Role::FfnDown, Need::kDense, Dim::kModel, Dim::kFf},
    {fb::Role::FfnPostNorm, Need::kLayerOptional, Dim::kOne, Dim::kModel},
    {fb::Role::Router, Need::kRouted, Dim::kExperts, Dim::kModel},
    {fb::Role::RouterBias, Need::kRoutedOptional, Dim::kOne, Dim::kExperts},
    {fb::Role::ExpertGate, Need::kExpert, Dim::kFfExpert, Dim::kModel},
    {fb::Role::ExpertUp, Need::kExpert, Dim::kFfExpert, Dim::kModel},
    {fb::Role::ExpertDown, Need::kExpert, Dim::kModel, Dim::kFfExpert},
    {fb::Role::SharedGate, Need::kShared, Dim::kFfShared, Dim::kModel},
    {fb::Role::SharedUp, Need::kShared, Dim::kFfShared, Dim::kModel},
    {fb::Role::SharedDown, Need::kShared, Dim::kModel, Dim::kFfShared},
    {fb::Role::SharedRouter, Need::kSharedOptional, Dim::kOne, Dim::kModel},
};
constexpr uint32_t kRoles = sizeof kRules / sizeof kRules[0];
static_assert(kRoles == uint32_t(fb::Role::MAX) + 1);

bool is_global(Need need) { return need == Need::kGlobal || need == Need::kUntied; }

// May (and unless optional: must) a tensor with this need be there? `layer` is null for global roles.
bool belongs(Need need, const fb::Config& config, const fb::Layer* layer) {
  switch (need) {
    case Need::kGlobal:
      return true;
    case Need::kUntied:
      return !config.tied_head();
    case Need::kLayer:
    case Need::kLayerOptional:
      return true;
    case Need::kDense:
      return layer->n_experts() == 0;
    case Need::kRouted:
    case Need::kRoutedOptional:
    case Need::kExpert:
      return layer->n_experts() != 0;
    case Need::kShared:
    case Need::kSharedOptional:
      return layer->d_ff_shared() != 0;
  }
  return false;
}

bool is_optional(Need need) {
  return need == Need::kLayerOptional || need == Need::kRoutedOptional || need == Need::kSharedOptional;
}

uint32_t extent_of(Dim dim, const fb::Config& config, const fb::Layer* layer) {
  switch (dim) {
    case Dim::kOne:
      return 1;
    case Dim::kModel:
      return config.d_model();
    case Dim::kVocab:
      return config.n_vocab();
    case Dim::kQ:
      return layer->n_heads() * layer->head_dim();
    case Dim::kKv:
      return layer->n_kv_heads() * layer->head_dim();
    case Dim::kHeads:
      return layer->n_heads();
    case Dim::kHeadDim:
      return layer->head_dim();
    case Dim::kFf:
      return layer->d_ff();
    case Dim::kExperts:
      return layer->n_experts();
    case Dim::kFfExpert:
      return layer->d_ff_expert();
    case Dim::kFfShared:
      return layer->d_ff_shared();
  }
  return 0;
}

bool access_suits(const RoleRule& rule, const fb::Config& config, fb::Access access) {
  if (rule.rows == Dim::kOne) return access == fb::Access::GatherRows;
  if (rule.need == Need::kExpert) return access == fb::Access::GatherExpert;
  if (rule.role != fb::Role::TokenEmbedding) return access == fb::Access::Stream;
  return access == fb::Access::Both || (access == fb::Access::GatherRows && !config.tied_head());
}

// One tensor against its role.
Status check_tensor(const HeaderCheck& check, uint32_t t) {
  const fb::Header& header = check.header;
  const fb::Config& config = *header.config();
  const fb::Tensor& tensor = *header.tensors()->Get(t);
  if (uint8_t(tensor.role()) >= kRoles) return check.refuse("tensor %u: unknown role %d", t, int(tensor.role()));
  const RoleRule& rule = kRules[uint8_t(tensor.role())];
  const char* role = fb::EnumNameRole(rule.role);
  const bool global = is_global(rule.need);
  if (global ? tensor.layer() != -1 : tensor.layer() < 0 || uint32_t(tensor.layer()) >= config.n_layers()) {
    return check.refuse("tensor %u (%s): layer %d of %u", t, role, tensor.layer(), config.n_layers());
  }
  const fb::Layer* layer = global ? nullptr : config.layers()->Get(uint32_t(tensor.layer()));
  if (!belongs(rule.need, config, layer)) {
    return check.refuse("tensor %u (%s, layer %d): the configuration has no place for it", t, role, tensor.layer());
  }
  if (rule.need == Need::kExpert ? tensor.expert() < 0 || uint32_t(tensor.expert()) >= layer->n_experts()
                                 : tensor.expert() != -1) {
    return check.refuse("tensor %u (%s, layer %d): expert %d", t, role, tensor.layer(), tensor.expert());
  }
  const uint32_t rows = extent_of(rule.rows, config, layer), cols = extent_of(rule.cols, config, layer);
  if (tensor.rows() != rows || tensor.cols() != cols) {
    return check.refuse("tensor %u (%s, layer %d): [%u, %u], but the configuration asks for [%u, %u]", t, role,
                        tensor.layer(), tensor.rows(), tensor.cols(), rows, cols);
  }
  if (rule.rows == Dim::kOne && header.formats()->Get(tensor.format())->code() != fb::CodeKind::F32) {
    return check.refuse("tensor %u (%s, layer %d): a vector must be in f32", t, role, tensor.layer());
  }
  const fb::Access access = header.extents()->Get(tensor.extent())->access();
  if (!access_suits(rule, config, access)) {
    return check.refuse("tensor %u (%s, layer %d): access %s", t, role, tensor.layer(), fb::EnumNameAccess(access));
  }
  return {};
}

// Every needed tensor exactly once. Slots: roles of the model, then roles of each layer, then roles of each expert.
Status check_completeness(const HeaderCheck& check) {
  const fb::Header& header = check.header;
  const fb::Config& config = *header.config();
  const uint32_t n_layers = config.n_layers(), n_tensors = size_of(header.tensors());
  std::vector<uint64_t> first_expert(n_layers);
  uint64_t n_experts = 0;
  for (uint32_t l = 0; l < n_layers; ++l) {
    first_expert[l] = n_experts;
    n_experts += config.layers()->Get(l)->n_experts();
  }
  if (n_experts > n_tensors) {  // before memory is taken for them
    return check.refuse("%u tensors cannot be those of %u experts and more", n_tensors, uint32_t(n_experts));
  }
  const uint64_t expert_slots = uint64_t{n_layers + 1} * kRoles;
  std::vector<bool> seen(expert_slots + n_experts * kRoles);
  const auto slot = [&](const RoleRule& rule, uint32_t layer, uint32_t expert) {
    const uint64_t role = uint64_t(rule.role);
    if (is_global(rule.need)) return role;
    if (rule.need == Need::kExpert) return expert_slots + (first_expert[layer] + expert) * kRoles + role;
    return uint64_t{layer + 1} * kRoles + role;
  };
  for (uint32_t t = 0; t < n_tensors; ++t) {
    SLUICE_DO(check_tensor(check, t));
    const fb::Tensor& tensor = *header.tensors()->Get(t);
    const RoleRule& rule = kRules[uint8_t(tensor.role())];
    const uint64_t place = slot(rule, uint32_t(tensor.layer()), uint32_t(tensor.expert()));
    if (seen[place]) {
      return check.refuse("tensor %u: a second %s of layer %d", t, fb::EnumNameRole(rule.role), tensor.layer());
    }
    seen[place] = true;
  }
  for (const RoleRule& rule : kRules) {
    if (is_optional(rule.need)) continue;
    const bool global = is_global(rule.need);
    for (uint32_t l = 0; l < (global ? 1 : n_layers); ++l) {
      const fb::Layer* layer = global ? nullptr : config.layers()->Get(l);
      if (!belongs(rule.need, config, layer)) continue;
      const uint32_t experts = rule.need == Need::kExpert ? layer->n_experts() : 1;
      for (uint32_t x = 0; x < experts; ++x) {
        if (seen[slot(rule, l, x)]) continue;
        return global ? check.refuse("the tensor %s is missing", fb::EnumNameRole(rule.role))
                      : check.refuse("layer %u: the tensor %s is missing", l, fb::EnumNameRole(rule.role));
      }
    }
  }
  for (uint32_t l = 0; l < n_layers; ++l) {
    const bool q = seen[slot(kRules[uint8_t(fb::Role::AttnQNorm)], l, 0)];
    const bool k = seen[slot(kRules[uint8_t(fb::Role::AttnKNorm)], l, 0)];
    if (q != k) return check.refuse("layer %u: only one of the norms of queries and keys is there", l);
  }
  return {};
}

// ---- numbers of the configuration --------------------------------------------------------------------------------

bool in_range(uint32_t value, uint32_t least, uint32_t most) { return value >= least && value <= most; }
bool is_cap(float value) { return std::isfinite(value) && value >= 0; }

Status check_layer(const HeaderCheck& check, uint32_t l) {
  const fb::Config& config = *check.header.config();
  const fb::Layer& layer = *config.layers()->Get(l);
  if (!in_range(layer.n_heads(), 1, kMaxHeads) || !in_range(layer.n_kv_heads(), 1, layer.n_heads()) ||
      layer.n_heads() % layer.n_kv_heads() != 0) {
    return check.refuse("layer %u: %u heads over %u key-value heads", l, layer.n_heads(), layer.n_kv_heads());
  }
  if (!in_range(layer.head_dim(), 2, kMaxHeadDim) || layer.head_dim() % 2 != 0) {
    return check.refuse("layer %u: heads of %u, an even number of 2 to %u is needed", l, layer.head_dim(), kMaxHeadDim);
  }
  if (layer.rope() >= size_of(config.ropes())) {
    return check.refuse("layer %u: rope %u of %u", l, layer.rope(), size_of(config.ropes()));
  }
  if (size_of(config.ropes()->Get(layer.rope())->inv_freq()) > layer.head_dim() / 2) {
    return check.refuse("layer %u: rope %u turns more pairs than a head of %u has", l, layer.rope(), layer.head_dim());
  }
  if (!std::isfinite(layer.attn_scale()) || layer.attn_scale() == 0 || !is_cap(layer.attn_softcap())) {
    return check.refuse("layer %u: attention scale %g, soft cap %g", l, double(layer.attn_scale()),
                        double(layer.attn_softcap()));
  }
  if (uint8_t(layer.activation()) > uint8_t(fb::Activation::MAX)) {
    return check.refuse("layer %u: unknown activation %d", l, int(layer.activation()));
  }
  const bool dense = layer.n_experts() == 0;
  if (dense ? !in_range(layer.d_ff(), 1, kMaxDimension) || layer.n_experts_used() != 0
            : layer.n_experts() > kMaxExperts || !in_range(layer.n_experts_used(), 1, layer.n_experts()) ||
                  !in_range(layer.d_ff_expert(), 1, kMaxDimension)) {
    return check.refuse("layer %u: feed-forward width %u, %u of %u experts of width %u", l, layer.d_ff(),
                        layer.n_experts_used(), layer.n_experts(), layer.d_ff_expert());
  }
  if (layer.d_ff_shared() > kMaxDimension) {
    return check.refuse("layer %u: a shared expert of width %u", l, layer.d_ff_shared());
  }
  return {};
}

Status check_config(const HeaderCheck& check) {
  const fb::Config& config = *check.header.config();
  if (!in_range(config.d_model(), 1, kMaxDimension)) return check.refuse("model width %u", config.d_model());
  if (!in_range(config.n_layers(), 1, kMaxLayers) || size_of(config.layers()) != config.n_layers()) {
    return check.refuse("%u layers, %u described, 1 to %u are allowed", config.n_layers(), size_of(config.layers()),
                        kMaxLayers);
  }
  if (!in_range(config.n_vocab(), 1, kMaxVocab)) {
    return check.refuse("a vocabulary of %u, 1 to %u are allowed", config.n_vocab(), kMaxVocab);
  }
  if (!in_range(config.n_ctx(), 1, kMaxContext)) return check.refuse("a context of %u", config.n_ctx());
  if (!std::isfinite(config.norm_eps()) || config.norm_eps() <= 0 || config.norm_eps() >= 1) {
    return check.refuse("norm epsilon %g, a number between 0 and 1 is needed", double(config.norm_eps()));
  }
  if (!std::isfinite(config.embedding_scale()) || config.embedding_scale() == 0 || !is_cap(config.final_softcap())) {
    return check.refuse("embedding scale %g, final soft cap %g", double(config.embedding_scale()),
                        double(config.final_softcap()));
  }
  if (!in_range(size_of(config.ropes()), 1, kMaxRopes)) return check.refuse("%u ropes", size_of(config.ropes()));
  for (uint32_t r = 0; r < size_of(config.ropes()); ++r) {
    const fb::Rope& rope = *config.ropes()->Get(r);
    if (size_of(rope.inv_freq()) == 0 || !std::isfinite(rope.magnitude())) {
      return check.refuse("rope %u: %u frequencies of magnitude %g", r, size_of(rope.inv_freq()),
                          double(rope.magnitude()));
    }
    if (size_of(rope.inv_freq()) > kMaxHeadDim / 2) {
      return check.refuse("rope %u: %u frequencies, a head has at most %u pairs", r, size_of(rope.inv_freq()),
                          kMaxHeadDim / 2);
    }
    if (!is_aligned(rope.inv_freq())) return check.refuse("rope %u: its frequencies are not aligned to 8 bytes", r);
    for (double frequency : *rope.inv_freq()) {
      if (!(frequency >= 0 && frequency <= kMaxRopeFrequency)) {
        return check.refuse("rope %u: a frequency is not a number from 0 to %g: %g", r, kMaxRopeFrequency, frequency);
      }
    }
  }
  for (uint32_t l = 0; l < config.n_layers(); ++l) SLUICE_DO(check_layer(check, l));
  return {};
}

Status check_head_order(const HeaderCheck& check) {
  const auto* order = check.header.head_row_order();
  if (size_of(order) == 0) return {};
  const uint32_t n_vocab = check.header.config()->n_vocab();
  if (order->size() != n_vocab) return check.refuse("the head's row order has %u of %u rows", order->size(), n_vocab);
  std::vector<bool> seen(n_vocab);
  for (uint32_t token : *order) {
    if (token >= n_vocab || seen[token]) return check.refuse("the head's row order is not a permutation");
    seen[token] = true;
  }
  return {};
}

}  // namespace

bool is_vector(fb::Role role) { return uint32_t(role) < kRoles && kRules[uint32_t(role)].rows == Dim::kOne; }

Status check_model(const HeaderCheck& check) {
  if (check.header.config() == nullptr) {  // vocabulary only
    if (size_of(check.header.tensors()) == 0 && size_of(check.header.head_row_order()) == 0) return {};
    return check.refuse("there are tensors but no configuration");
  }
  SLUICE_DO(check_config(check));
  SLUICE_DO(check_completeness(check));
  return check_head_order(check);
}

}  // namespace sluice
