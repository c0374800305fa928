// SPDX-License-Identifier: Apache-2.0
// Small GGUF files for tests. GgufBuilder writes any keys and tensors, also nonsensical ones; make_toy_gguf() writes a
// whole model of a known family with random weights: bytes and ChatML tokens in its vocabulary, two layers, 64 wide.
//
//   ToyOptions toy;                         // a llama with Q8_0 matrices
//   toy.architecture = "qwen2", toy.matrix_type = toy::kQ4_0;
//   make_toy_gguf("/tmp/toy.gguf", toy);
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/half.h"

namespace sluice::test {

namespace toy {
enum : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ8_1 = 9,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kQ8_K = 15,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
  kQ1_0 = 41,
  kQ2_0 = 42
};

// Every type whose weights keep their exact value.
inline constexpr uint32_t kExactTypes[] = {kF32,  kF16,  kBF16,  kQ4_0,  kQ4_1,  kQ5_0,  kQ5_1,   kQ8_0,
                                           kQ8_1, kQ2_K, kQ3_K,  kQ4_K,  kQ5_K,  kQ6_K,  kIQ4_NL, kIQ4_XS,
                                           kI8,   kI16,  kTQ1_0, kTQ2_0, kMXFP4, kNVFP4, kQ1_0,   kQ2_0};

// Weights of a block.
inline uint32_t block_of(uint32_t type) {
  switch (type) {
    case kQ2_K:
    case kQ3_K:
    case kQ4_K:
    case kQ5_K:
    case kQ6_K:
    case kQ8_K:
    case kIQ4_XS:
    case kTQ1_0:
    case kTQ2_0:
      return 256;
    case kQ1_0:
      return 128;
    case kNVFP4:
    case kQ2_0:
      return 64;
    case kF32:
    case kF16:
    case kBF16:
    case kF64:
    case kI8:
    case kI16:
    case kI32:
    case kI64:
      return 1;
    default:
      return 32;
  }
}
}  // namespace toy

// Ids of the value types in the file.
namespace gguf_id {
enum : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kText, kArray, kU64, kI64, kF64 };
}

class GgufBuilder {
 public:
  uint32_t magic = 0x46554747, version = 3, alignment = 32;
  // What the counts in the file say; by default the truth.
  uint64_t claimed_tensors = ~uint64_t{0}, claimed_keys = ~uint64_t{0};

  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;  // dims[0]: inputs
    uint32_t type = 0;
    std::string data;
    uint64_t offset = ~uint64_t{0};  // in the data section; by default after the tensor before
  };
  std::vector<Tensor> tensors;

  template <class T>
  static void put(std::string& to, T value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void put_text(std::string& to, const std::string& text) {
    put<uint64_t>(to, text.size());
    to += text;
  }

  // A key with any type and payload; replaces an earlier one of that name.
  GgufBuilder& raw(const std::string& key, uint32_t type, std::string payload) {
    for (auto& e : entries_) {
      if (e.key == key) return e.type = type, e.payload = std::move(payload), *this;
    }
    entries_.push_back({key, type, std::move(payload)});
    return *this;
  }
  GgufBuilder& raw_again(const std::string& key, uint32_t type, std::string payload) {
    entries_.push_back({key, type, std::move(payload)});
    return *this;
  }
  template <class T>
  GgufBuilder& number(const std::string& key, uint32_t type, T value) {
    std::string payload;
    put(payload, value);
    return raw(key, type, payload);
  }
  GgufBuilder& u32(const std::string& key, uint32_t v) { return number(key, gguf_id::kU32, v); }
  GgufBuilder& f32(const std::string& key, float v) { return number(key, gguf_id::kF32, v); }
  GgufBuilder& boolean(const std::string& key, bool v) { return number(key, gguf_id::kBool, uint8_t(v)); }
  GgufBuilder& text(const std::string& key, const std::string& v) {
    std::string payload;
    put_text(payload, v);
    return raw(key, gguf_id::kText, payload);
  }
  GgufBuilder& texts(const std::string& key, const std::vector<std::string>& values) {
    std::string payload = array_head(gguf_id::kText, values.size());
    for (const auto& v : values) put_text(payload, v);
    return raw(key, gguf_id::kArray, payload);
  }
  template <class T>
  GgufBuilder& numbers(const std::string& key, uint32_t type, const std::vector<T>& values) {
    std::string payload = array_head(type, values.size());
    for (const T& v : values) put(payload, v);
    return raw(key, gguf_id::kArray, payload);
  }
  static std::string array_head(uint32_t type, uint64_t count) {
    std::string head;
    put(head, type);
    put(head, count);
    return head;
  }
  GgufBuilder& tensor(const std::string& name, std::vector<uint64_t> dims, uint32_t type, std::string data) {
    tensors.push_back({name, std::move(dims), type, std::move(data)});
    return *this;
  }
  bool has(const std::string& key) const {
    for (const auto& e : entries_) {
      if (e.key == key) return true;
    }
    return false;
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> all;
    for (const auto& e : entries_) all.push_back(e.key);
    return all;
  }
  GgufBuilder& remove(const std::string& key) {
    std::erase_if(entries_, [&](const Entry& e) { return e.key == key; });
    return *this;
  }
  GgufBuilder& remove_tensor(const std::string& name) {
    std::erase_if(tensors, [&](const Tensor& t) { return t.name == name; });
    return *this;
  }
  Tensor& find_tensor(const std::string& name) {
    for (Tensor& t : tensors) {
      if (t.name == name) return t;
    }
    fprintf(stderr, "the test names a tensor that is not there: %s\n", name.c_str());
    abort();
  }

  // Everything before the data section, without the padding that follows it.
  std::string header() const {
    std::string out;
    put(out, magic);
    put(out, version);
    put<uint64_t>(out, claimed_tensors == ~uint64_t{0} ? tensors.size() : claimed_tensors);
    put<uint64_t>(out, claimed_keys == ~uint64_t{0} ? entries_.size() : claimed_keys);
    for (const auto& e : entries_) {
      put_text(out, e.key);
      put(out, e.type);
      out += e.payload;
    }
    uint64_t at = 0;
    for (const auto& t : tensors) {
      put_text(out, t.name);
      put<uint32_t>(out, uint32_t(t.dims.size()));
      for (uint64_t d : t.dims) put(out, d);
      put(out, t.type);
      put<uint64_t>(out, t.offset == ~uint64_t{0} ? at : t.offset);
      at = padded(at + t.data.size());
    }
    return out;
  }
  std::string bytes() const {
    std::string out = header();
    if (tensors.empty()) return out;
    out.resize(padded(out.size()));
    for (const auto& t : tensors) {
      out += t.data;
      out.resize(padded(out.size()));
    }
    return out;
  }
  void write(const std::string& path) const { write_bytes(path, bytes()); }
  static void write_bytes(const std::string& path, const std::string& bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), std::streamsize(bytes.size()));
    if (!file.flush()) {
      fprintf(stderr, "cannot write %s\n", path.c_str());
      abort();
    }
  }

 private:
  struct Entry {
    std::string key;
    uint32_t type;
    std::string payload;
  };
  uint64_t padded(uint64_t n) const { return alignment ? (n + alignment - 1) / alignment * alignment : n; }
  std::vector<Entry> entries_;
};

// ---- random weights ----------------------------------------------------------------------------------------------

using Rng = std::mt19937_64;

inline uint32_t random_below(Rng& rng, uint32_t n) { return uint32_t(rng() % n); }
inline float random_float(Rng& rng) { return float(int32_t(uint32_t(rng() >> 32))) * 0x1p-31f; }  // -1…1

// `n` weights of about -scale…scale in blocks of `type`.
inline std::string random_weights(uint32_t type, uint64_t n, float scale, Rng& rng) {
  std::string out;
  const auto half = [&](float x) { GgufBuilder::put(out, f32_to_f16(x)); };
  const auto noise = [&](size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) out.push_back(char(rng() & 255));
  };
  const auto wobble = [&] { return 0.75f + 0.25f * random_float(rng); };
  switch (type) {
    case toy::kF32:
      for (uint64_t i = 0; i < n; ++i) GgufBuilder::put(out, scale * random_float(rng));
      return out;
    case toy::kF16:
      for (uint64_t i = 0; i < n; ++i) half(scale * random_float(rng));
      return out;
    case toy::kBF16:
      for (uint64_t i = 0; i < n; ++i) GgufBuilder::put(out, f32_to_bf16(scale * random_float(rng)));
      return out;
    case toy::kF64:
      for (uint64_t i = 0; i < n; ++i) GgufBuilder::put(out, double(scale) * double(random_float(rng)));
      return out;
    case toy::kI8:
      for (uint64_t i = 0; i < n; ++i) GgufBuilder::put(out, int8_t(int(rng() % 3) - 1));
      return out;
    case toy::kI16:
      for (uint64_t i = 0; i < n; ++i) GgufBuilder::put(out, int16_t(int(rng() % 3) - 1));
      return out;
    default:
      break;
  }
  for (uint64_t b = 0; b < n / toy::block_of(type); ++b) {
    const float s = scale * wobble();
    switch (type) {
      case toy::kQ4_0:
        half(s / 8), noise(16);
        break;
      case toy::kIQ4_NL:
        half(s / 127), noise(16);
        break;
      case toy::kQ4_1:
        half(s / 7.5f), half(-s), noise(16);
        break;
      case toy::kQ5_0:
        half(s / 16), noise(20);
        break;
      case toy::kQ5_1:
        half(s / 15.5f), half(-s), noise(20);
        break;
      case toy::kQ8_0:
        half(s / 127), noise(32);
        break;
      case toy::kQ4_K:
        half(2 * s / (63 * 15)), half(s / 63), noise(12 + 128);
        break;
      case toy::kQ5_K:
        half(2 * s / (63 * 31)), half(s / 63), noise(12 + 32 + 128);
        break;
      case toy::kQ6_K:
        noise(128 + 64 + 16), half(s / (127 * 32));
        break;
      case toy::kQ8_1:
        half(s / 127), half(0), noise(32);
        break;
      case toy::kQ2_K:
        noise(16 + 64), half(2 * s / (15 * 3)), half(s / 15);
        break;
      case toy::kQ3_K:
        noise(32 + 64 + 12), half(s / (32 * 4));
        break;
      case toy::kQ8_K:
        GgufBuilder::put(out, s / 127), noise(256 + 32);
        break;
      case toy::kIQ4_XS:
        half(s / (32 * 127)), noise(2 + 4 + 128);
        break;
      case toy::kTQ1_0:
        noise(52), half(s);
        break;
      case toy::kTQ2_0:
        noise(64), half(s);
        break;
      case toy::kMXFP4:  // 12 · 2^(e - 128) is about s
        GgufBuilder::put(out, uint8_t(128 + std::ilogb(s / 12))), noise(16);
        break;
      case toy::kNVFP4:  // scales are no smaller than 2^-10
        for (int i = 0; i < 4; ++i) GgufBuilder::put(out, uint8_t(1 + rng() % 24));
        noise(32);
        break;
      case toy::kQ1_0:
        half(s), noise(16);
        break;
      case toy::kQ2_0:
        half(s / 2), noise(16);
        break;
      default:
        fprintf(stderr, "no random weights of type %u\n", type), abort();
    }
  }
  return out;
}

// ---- vocabularies ------------------------------------------------------------------------------------------------

// The character (UTF-8) by which byte-level BPE writes a byte.
inline std::string byte_character(int byte) {
  const auto itself = [](int b) { return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae; };
  int code = byte;
  if (!itself(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += !itself(b);
  }
  if (code < 0x80) return std::string(1, char(code));
  return {char(0xc0 | code >> 6), char(0x80 | (code & 63))};
}

// Byte-level BPE: 256 bytes, some merged words, ChatML's special tokens, unused tokens up to n_vocab (at least 290).
inline void add_byte_vocabulary(GgufBuilder& g, uint32_t n_vocab, const std::string& pre = "smollm") {
  const std::string space = byte_character(' ');
  std::vector<std::string> tokens, merges;
  for (int b = 0; b < 256; ++b) tokens.push_back(byte_character(b));
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"h", "e"},          {"l", "l"},   {"he", "ll"},
      {"hell", "o"},       {space, "w"}, {"o", "r"},
      {space + "w", "or"}, {"l", "d"},   {space + "wor", "ld"},
      {"i", "n"},          {"t", "h"},   {"th", "e"},
      {space, "the"},      {"a", "n"},   {"e", "r"},
      {space, "a"},        {"i", "s"},   {space, "is"},
      {"o", "u"},          {"r", "e"}};
  for (const auto& [left, right] : pairs) {
    merges.push_back(left + " " + right);
    tokens.push_back(left + right);
  }
  std::vector<int32_t> types(tokens.size(), 1);
  const uint32_t first_special = uint32_t(tokens.size());
  for (const char* special : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    tokens.push_back(special);
    types.push_back(3);
  }
  while (tokens.size() < n_vocab) {
    tokens.push_back("[PAD" + std::to_string(tokens.size()) + "]");
    types.push_back(5);
  }
  g.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
  g.texts("tokenizer.ggml.tokens", tokens).numbers("tokenizer.ggml.token_type", gguf_id::kI32, types);
  g.texts("tokenizer.ggml.merges", merges);
  g.u32("tokenizer.ggml.bos_token_id", first_special + 1).u32("tokenizer.ggml.eos_token_id", first_special + 2);
  g.boolean("tokenizer.ggml.add_bos_token", false);
}

// SentencePiece style: <unk> <s> </s>, 256 byte tokens, pieces with scores, Gemma's turn markers (at least 310).
inline void add_piece_vocabulary(GgufBuilder& g, uint32_t n_vocab) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {2, 3, 3};
  std::vector<float> scores = {0, 0, 0};
  for (int b = 0; b < 256; ++b) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", b);
    tokens.push_back(name), types.push_back(6), scores.push_back(0);
  }
  const std::string bar = "\xe2\x96\x81";  // U+2581
  std::vector<std::string> pieces = {bar};
  for (char c = 'a'; c <= 'z'; ++c) pieces.push_back(std::string(1, c));
  for (const char* piece : {"he", "ll", "hell", "hello", "or", "ld", "wor", "world", "th", "the", "in", "er"}) {
    pieces.push_back(piece);
    pieces.push_back(bar + piece);
  }
  for (const std::string& piece : pieces) {
    tokens.push_back(piece), types.push_back(1), scores.push_back(-float(tokens.size()));
  }
  for (const char* special : {"<start_of_turn>", "<end_of_turn>"}) {
    tokens.push_back(special), types.push_back(3), scores.push_back(-1000);
  }
  while (tokens.size() < n_vocab) {
    tokens.push_back("<unused" + std::to_string(tokens.size()) + ">"), types.push_back(5), scores.push_back(-1000);
  }
  g.text("tokenizer.ggml.model", "llama");
  g.texts("tokenizer.ggml.tokens", tokens).numbers("tokenizer.ggml.token_type", gguf_id::kI32, types);
  g.numbers("tokenizer.ggml.scores", gguf_id::kF32, scores);
  g.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2);
  g.u32("tokenizer.ggml.unknown_token_id", 0).boolean("tokenizer.ggml.add_space_prefix", false);
}

// ---- whole models ------------------------------------------------------------------------------------------------

struct ToyOptions {
  std::string architecture = "llama";  // llama, qwen2, qwen3, gemma3
  uint32_t n_layers = 2, d_model = 64, n_heads = 4, n_kv_heads = 2, d_ff = 96, n_vocab = 320, n_ctx = 512;
  uint32_t head_dim = 0;  // 0: d_model / n_heads
  uint32_t window = 16;   // gemma3
  bool tied = true;
  uint32_t matrix_type = toy::kQ8_0;  // d_model and d_ff must be multiples of toy::block_of(matrix_type)
  uint32_t embedding_type = toy::kQ8_0;
  std::string tokenizer;  // "gpt2" or "llama"; empty: the family's usual one
  std::string chat_template =
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";  // empty: none
  uint64_t seed = 1;
};

inline GgufBuilder toy_gguf(const ToyOptions& o) {
  GgufBuilder g;
  Rng rng(o.seed);
  const std::string a = o.architecture + ".";
  const bool gemma = o.architecture == "gemma3";
  const bool head_norms = gemma || o.architecture == "qwen3";
  const uint32_t head_dim = o.head_dim ? o.head_dim : o.d_model / o.n_heads;
  g.text("general.architecture", o.architecture).text("general.name", "Toy " + o.architecture);
  g.u32(a + "block_count", o.n_layers).u32(a + "embedding_length", o.d_model).u32(a + "context_length", o.n_ctx);
  g.u32(a + "feed_forward_length", o.d_ff).u32(a + "attention.head_count", o.n_heads);
  g.u32(a + "attention.head_count_kv", o.n_kv_heads).f32(a + "attention.layer_norm_rms_epsilon", 1e-5f);
  g.f32(a + "rope.freq_base", 10000);
  if (head_dim * o.n_heads != o.d_model || head_norms) {
    g.u32(a + "attention.key_length", head_dim).u32(a + "attention.value_length", head_dim);
  }
  if (gemma) g.u32(a + "attention.sliding_window", o.window);
  if (o.tokenizer.empty() ? gemma : o.tokenizer == "llama") {
    add_piece_vocabulary(g, o.n_vocab);
  } else {
    add_byte_vocabulary(g, o.n_vocab, o.architecture == "llama" ? "smollm" : "qwen2");
  }
  if (!o.chat_template.empty()) g.text("tokenizer.chat_template", o.chat_template);

  const auto vector = [&](const std::string& name, uint32_t n, float middle) {
    std::string data;
    for (uint32_t i = 0; i < n; ++i) GgufBuilder::put(data, middle + 0.1f * random_float(rng));
    g.tensor(name, {n}, toy::kF32, data);
  };
  const auto matrix = [&](const std::string& name, uint32_t rows, uint32_t cols, uint32_t type) {
    g.tensor(name, {cols, rows}, type, random_weights(type, uint64_t(rows) * cols, 1.5f / std::sqrt(float(cols)), rng));
  };
  matrix("token_embd.weight", o.n_vocab, o.d_model, o.embedding_type);
  for (uint32_t l = 0; l < o.n_layers; ++l) {
    const std::string b = "blk." + std::to_string(l) + ".";
    const uint32_t q = o.n_heads * head_dim, kv = o.n_kv_heads * head_dim;
    vector(b + "attn_norm.weight", o.d_model, 1);
    matrix(b + "attn_q.weight", q, o.d_model, o.matrix_type);
    matrix(b + "attn_k.weight", kv, o.d_model, o.matrix_type);
    matrix(b + "attn_v.weight", kv, o.d_model, o.matrix_type);
    if (o.architecture == "qwen2") {
      vector(b + "attn_q.bias", q, 0);
      vector(b + "attn_k.bias", kv, 0);
      vector(b + "attn_v.bias", kv, 0);
    }
    if (head_norms) {
      vector(b + "attn_q_norm.weight", head_dim, 1);
      vector(b + "attn_k_norm.weight", head_dim, 1);
    }
    matrix(b + "attn_output.weight", o.d_model, q, o.matrix_type);
    if (gemma) vector(b + "post_attention_norm.weight", o.d_model, 1);
    vector(b + "ffn_norm.weight", o.d_model, 1);
    matrix(b + "ffn_gate.weight", o.d_ff, o.d_model, o.matrix_type);
    matrix(b + "ffn_up.weight", o.d_ff, o.d_model, o.matrix_type);
    matrix(b + "ffn_down.weight", o.d_model, o.d_ff, o.matrix_type);
    if (gemma) vector(b + "post_ffw_norm.weight", o.d_model, 1);
  }
  vector("output_norm.weight", o.d_model, 1);
  if (!o.tied) matrix("output.weight", o.n_vocab, o.d_model, o.matrix_type);
  return g;
}

inline void make_toy_gguf(const std::string& path, const ToyOptions& options = {}) { toy_gguf(options).write(path); }

}  // namespace sluice::test
