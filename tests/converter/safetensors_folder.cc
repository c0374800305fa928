// SPDX-License-Identifier: Apache-2.0
#include "safetensors_folder.h"

#include <cmath>

#include <cstdlib>
#include <filesystem>

namespace sluice::test {

SafetensorsBuilder::Tensor& SafetensorsBuilder::find(const std::string& name) {
  for (Tensor& t : tensors) {
    if (t.name == name) return t;
  }
  fprintf(stderr, "the test names a tensor that is not there: %s\n", name.c_str());
  abort();
}

Json SafetensorsBuilder::header_json() const {
  Json json = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t at = 0;
  for (const Tensor& t : tensors) {
    json[t.name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {at, at + t.data.size()}}};
    at += t.data.size();
  }
  return json;
}

std::string SafetensorsBuilder::bytes() const {
  const std::string text = header.empty() ? header_json().dump() : header;
  std::string out;
  GgufBuilder::put<uint64_t>(out, claimed == ~0ull ? text.size() : claimed);
  out += text;
  for (const Tensor& t : tensors) out += t.data;
  return out + tail;
}

void ToyFolder::write(const std::string& folder) const {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::map<std::string, std::string> all = {
      {"config.json", config.dump()}, {"tokenizer.json", tokenizer.dump()}, {"model.safetensors", weights.bytes()}};
  for (const auto& [name, text] : files) all[name] = text;
  for (const auto& [name, text] : all) {
    if (text != "-") GgufBuilder::write_bytes(folder + "/" + name, text);
  }
}

std::string half_split_rows(const std::string& rows, uint32_t n_rows, uint32_t head_dim) {
  const size_t bytes = rows.size() / n_rows;
  std::string out;
  for (uint32_t r = 0; r < n_rows; ++r) {
    const uint32_t i = r % head_dim, from = r - i + 2 * (i % (head_dim / 2)) + i / (head_dim / 2);
    out += rows.substr(from * bytes, bytes);
  }
  return out;
}

namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const size_t at = text.find(from); at != text.npos) text.replace(at, from.size(), to);
  return text;
}

std::string hf_name(std::string name, bool gemma) {
  const std::pair<const char*, const char*> kTop[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                                                      {"output_norm.weight", "model.norm.weight"},
                                                      {"output.weight", "lm_head.weight"}};
  for (const auto& [from, to] : kTop) {
    if (name == from) return to;
  }
  name = replaced(name, "blk.", "model.layers.");
  const std::pair<const char*, const char*> kPairs[] = {
      {"attn_q_norm", "self_attn.q_norm"},
      {"attn_k_norm", "self_attn.k_norm"},
      {"attn_norm", "input_layernorm"},
      {"attn_q", "self_attn.q_proj"},
      {"attn_k", "self_attn.k_proj"},
      {"attn_v", "self_attn.v_proj"},
      {"attn_output", "self_attn.o_proj"},
      {"post_attention_norm", "post_attention_layernorm"},
      {"post_ffw_norm", "post_feedforward_layernorm"},
      {"ffn_norm", gemma ? "pre_feedforward_layernorm" : "post_attention_layernorm"},
      {"ffn_gate", "mlp.gate_proj"},
      {"ffn_up", "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"}};
  for (const auto& [from, to] : kPairs) {
    const std::string changed = replaced(name, std::string(".") + from + ".", std::string(".") + to + ".");
    if (changed != name) return changed;
  }
  return name;
}

// Joins tensors into one with all their rows.
void fuse(SafetensorsBuilder& b, const std::string& layer, std::vector<std::string> names, const std::string& to) {
  SafetensorsBuilder::Tensor whole = b.find(layer + names[0]);
  whole.name = layer + to;
  for (size_t i = 1; i < names.size(); ++i) {
    whole.shape[0] += b.find(layer + names[i]).shape[0];
    whole.data += b.find(layer + names[i]).data;
  }
  for (const std::string& name : names) std::erase_if(b.tensors, [&](auto& t) { return t.name == layer + name; });
  b.tensors.push_back(whole);
}

Json toy_config(const ToyOptions& o) {
  const bool gemma = o.architecture == "gemma3";
  Json c = {{"model_type", gemma ? "gemma3_text" : o.architecture},
            {"num_hidden_layers", o.n_layers},
            {"hidden_size", o.d_model},
            {"intermediate_size", o.d_ff},
            {"num_attention_heads", o.n_heads},
            {"num_key_value_heads", o.n_kv_heads},
            {"max_position_embeddings", o.n_ctx},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 10000.0},
            {"tie_word_embeddings", o.tied},
            {"vocab_size", o.n_vocab}};
  if (o.head_dim) c["head_dim"] = o.head_dim;
  if (gemma) {
    const uint32_t head_dim = o.head_dim ? o.head_dim : o.d_model / o.n_heads;
    c["head_dim"] = c["query_pre_attn_scalar"] = head_dim;
  }
  // Scales that change nothing.
  if (o.architecture == "minicpm") {
    c["scale_emb"] = 1, c["scale_depth"] = std::sqrt(double(o.n_layers)), c["dim_model_base"] = o.d_model;
  }
  if (gemma) c["sliding_window"] = o.window, c["rope_local_base_freq"] = 10000.0;
  return c;
}

// The vocabulary of add_byte_vocabulary() up to its unused tokens.
Json toy_tokenizer() {
  Json vocab = Json::object(), merges = Json::array(), added = Json::array();
  for (int b = 0; b < 256; ++b) vocab[byte_character(b)] = b;
  uint32_t id = 256;
  const std::string space = byte_character(' ');
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {space, "w"}, {"o", "r"}, {space + "w", "or"}};
  for (const auto& [left, right] : pairs) {
    vocab[left + right] = id++;
    merges.push_back(left + " " + right);
  }
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    added.push_back({{"id", id++}, {"content", text}, {"special", true}, {"normalized", false}});
  }
  Json tokenizer = Json::parse(R"({"version":"1.0","added_tokens":[],"normalizer":null,
    "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
                     {"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]},
    "post_processor":null,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE"}})");
  tokenizer["added_tokens"] = added;
  tokenizer["model"]["vocab"] = vocab;
  tokenizer["model"]["merges"] = merges;
  return tokenizer;
}

}  // namespace

ToyFolder toy_folder(const ToyFolderOptions& options) {
  ToyOptions o = options.model;
  ToyFolder folder;
  folder.config = toy_config(o);
  folder.tokenizer = toy_tokenizer();
  folder.files["tokenizer_config.json"] = Json{
      {"bos_token", "<|im_start|>"},
      {"eos_token", {{"content", "<|im_end|>"}}},
      {"chat_template", o.chat_template}}.dump();
  const bool gemma = o.architecture == "gemma3", pairs = o.architecture == "llama";
  if (o.architecture == "phi3" || o.architecture == "minicpm") o.architecture = "llama";
  const uint32_t head_dim = o.head_dim ? o.head_dim : o.d_model / o.n_heads;
  for (const GgufBuilder::Tensor& t : toy_gguf(o).tensors) {
    SafetensorsBuilder::Tensor out{hf_name(t.name, gemma),
                                   t.type == toy::kF32   ? "F32"
                                   : t.type == toy::kF16 ? "F16"
                                                         : "BF16",
                                   std::vector<uint64_t>(t.dims.rbegin(), t.dims.rend()), t.data};
    const bool moved = pairs && (t.name.find("attn_q.") != t.name.npos || t.name.find("attn_k.") != t.name.npos);
    if (moved) out.data = half_split_rows(t.data, uint32_t(out.shape[0]), head_dim);
    folder.weights.tensors.push_back(out);
  }
  for (uint32_t l = 0; options.fused && l < o.n_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    fuse(folder.weights, layer, {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"},
         "self_attn.qkv_proj.weight");
    fuse(folder.weights, layer, {"mlp.gate_proj.weight", "mlp.up_proj.weight"}, "mlp.gate_up_proj.weight");
  }
  return folder;
}

}  // namespace sluice::test
