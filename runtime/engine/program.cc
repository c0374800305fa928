// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/program.h"

#include <type_traits>
#include <utility>

namespace sluice {
namespace {

// Walks down the layers, keeping track of where the residual stream is: a branch with a post-norm is not added by the
// phase that made it but by the next prologue, which moves the stream to the other buffer.
class Builder {
 public:
  Builder(const Model& model, const WeightStore& store, const Buffers& buffers)
      : model_(model), store_(store), buffers_(buffers), x_(buffers.x[0]), other_(buffers.x[1]) {}

  GatherPhase gather(uint32_t embedding) {
    GatherPhase phase;
    phase.format = store_.format(embedding);
    phase.cols = model_.config().d_model();
    phase.scale = model_.config().embedding_scale();
    phase.x = x_;
    return phase;
  }

  QkvPhase qkv(uint32_t index, const LayerTensors& t) {
    const fb::Layer& layer = *model_.config().layers()->Get(index);
    QkvPhase phase;
    phase.in = prologue(t.attn_norm);
    phase.wq = store_.matrix(t.q), phase.wk = store_.matrix(t.k), phase.wv = store_.matrix(t.v);
    phase.q_bias = vector(t.q_bias), phase.k_bias = vector(t.k_bias), phase.v_bias = vector(t.v_bias);
    phase.q_norm = vector(t.q_norm), phase.k_norm = vector(t.k_norm);
    phase.rope = {buffers_.cos[layer.rope()], buffers_.sin[layer.rope()],
                  model_.config().ropes()->Get(layer.rope())->inv_freq()->size()};
    phase.n_heads = layer.n_heads(), phase.n_kv_heads = layer.n_kv_heads(), phase.head_dim = layer.head_dim();
    phase.layer = index;
    phase.q = buffers_.q;
    return phase;
  }

  AttendPhase attend(uint32_t index) {
    const fb::Layer& layer = *model_.config().layers()->Get(index);
    AttendPhase phase;
    phase.q = buffers_.q;
    phase.n_heads = layer.n_heads(), phase.n_kv_heads = layer.n_kv_heads(), phase.head_dim = layer.head_dim();
    phase.layer = index, phase.window = layer.window();
    phase.scale = layer.attn_scale(), phase.softcap = layer.attn_softcap();
    phase.out = buffers_.attended;
    phase.out.cols = layer.n_heads() * layer.head_dim();
    return phase;
  }

  ProjectPhase project(const Activations& in, uint32_t weights, uint32_t bias, uint32_t post_norm) {
    ProjectPhase phase;
    phase.in = in;
    phase.w = store_.matrix(weights);
    phase.bias = vector(bias);
    phase.accumulate = post_norm == Model::kAbsent;
    phase.dest = phase.accumulate ? x_ : buffers_.branch;
    if (!phase.accumulate) pending_ = vector(post_norm);
    return phase;
  }

  GateUpPhase gate_up(uint32_t index, const LayerTensors& t) {
    const fb::Layer& layer = *model_.config().layers()->Get(index);
    GateUpPhase phase;
    phase.in = prologue(t.ffn_norm);
    phase.gate = store_.matrix(t.gate), phase.up = store_.matrix(t.up);
    phase.activation = layer.activation() == fb::Activation::GeluTanh ? Activation::kGeluTanh : Activation::kSilu;
    phase.out = buffers_.ffn;
    phase.out.cols = layer.d_ff();
    return phase;
  }

  HeadPhase head(const ModelTensors& tensors, float* logits) {
    HeadPhase phase;
    phase.in = prologue(tensors.output_norm);
    phase.head = store_.matrix(tensors.head);
    phase.n_vocab = model_.config().n_vocab();
    phase.softcap = model_.config().final_softcap();
    phase.logits = logits;
    if (const auto* order = model_.header().head_row_order(); order && order->size() > 0)
      phase.row_order = order->data();
    return phase;
  }

 private:
  const float* vector(uint32_t tensor) const { return tensor == Model::kAbsent ? nullptr : store_.vector(tensor); }

  Prologue prologue(uint32_t norm) {
    Prologue in;
    in.x = in.x_out = x_;
    in.norm = store_.vector(norm);
    in.eps = model_.config().norm_eps();
    in.d_model = model_.config().d_model();
    if (pending_ != nullptr) {
      in.branch = buffers_.branch;
      in.post_norm = std::exchange(pending_, nullptr);
      std::swap(x_, other_);
      in.x_out = x_;
    }
    return in;
  }

  const Model& model_;
  const WeightStore& store_;
  const Buffers& buffers_;
  float *x_, *other_;
  const float* pending_ = nullptr;  // post-norm of the branch that waits to be added
};

}  // namespace

Program::Program(const Model& model, const ModelTensors& tensors, const WeightStore& store, const Buffers& buffers,
                 float* logits, const StepRows* rows) {
  Builder build(model, store, buffers);
  const auto add = [&](PhaseArgs args) { phases_.push_back({rows, std::move(args)}); };
  // In the order of LayerPhase (stream_pieces.h).
  add(build.gather(tensors.embedding));
  for (uint32_t l = 0; l < tensors.layers.size(); ++l) {
    const LayerTensors& t = tensors.layers[l];
    add(build.qkv(l, t));
    AttendPhase attend = build.attend(l);
    add(attend);
    add(build.project(attend.out, t.attn_output, t.attn_output_bias, t.attn_post_norm));
    GateUpPhase gate_up = build.gate_up(l, t);
    add(gate_up);
    add(build.project(gate_up.out, t.down, Model::kAbsent, t.ffn_post_norm));
  }
  add(build.head(tensors, logits));
}

// ---- what goes into the matrices ---------------------------------------------------------------------------------

namespace {

// The place of a phase, and its columns; null for phases without a matrix.
double** input_place(Phase& phase, uint32_t& width) {
  return std::visit(
      [&](auto& p) -> double** {
        using Args = std::decay_t<decltype(p)>;
        if constexpr (std::is_same_v<Args, ProjectPhase>) {
          width = p.in.cols;
          return &p.in_squares;
        } else if constexpr (std::is_same_v<Args, QkvPhase> || std::is_same_v<Args, GateUpPhase> ||
                             std::is_same_v<Args, HeadPhase>) {
          width = p.in.d_model;
          return &p.in.h_squares;
        } else {
          return nullptr;
        }
      },
      phase.args);
}

}  // namespace

std::vector<uint32_t> Program::input_widths() {
  std::vector<uint32_t> widths;
  for (Phase& phase : phases_) {
    uint32_t width = 0;
    if (input_place(phase, width)) widths.push_back(width);
  }
  return widths;
}

void Program::sum_inputs(double* sums) {
  for (Phase& phase : phases_) {
    uint32_t width = 0;
    if (double** place = input_place(phase, width)) *place = sums, sums += width;
  }
}

}  // namespace sluice
