// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_weights.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "converter/hf_names.h"
#include "converter/safetensors.h"

namespace sluice {

namespace {

// Also for a link that leads nowhere: who opens it then says so.
bool exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

// The types that become weights, by their ids in block_formats.cc.
const BlockFormat* find_number(const std::string& dtype) {
  if (dtype == "F32") return find_block_format(0);
  if (dtype == "F16") return find_block_format(1);
  if (dtype == "BF16") return find_block_format(30);
  return nullptr;
}

// A plain name of a file beside the index.
bool is_plain_name(std::string_view name) {
  constexpr size_t kMost = 255;
  return !name.empty() && name.size() <= kMost && name[0] != '.' && name.ends_with(".safetensors") &&
         std::none_of(name.begin(), name.end(), [](char c) { return c == '/' || c == '\\' || uint8_t(c) < 0x20; });
}

struct Mention {
  std::string tensor;
  uint32_t file = 0;
  uint64_t offset = 0;
};

struct Index {
  std::vector<std::string> files;
  std::vector<Mention> mentions;
};

Result<Index> read_index(const std::string& path) {
  SLUICE_TRY(const InputFile file, open_json(path));
  JsonReader json(file, 0, file.size());
  Index index;
  std::map<std::string, uint32_t> numbers;
  bool has_map = false;
  size_t name_bytes = 0;
  SLUICE_DO(json.object([&](std::string_view key) -> Status {
    if (key != "weight_map") return json.skip();
    if (has_map) return json.bad(json.at(), "the key weight_map occurs twice");
    has_map = true;
    return json.object([&](std::string_view tensor) -> Status {
      SLUICE_DO(json.peek());
      const uint64_t at = json.at();
      if (index.mentions.size() == kMaxGgufTensors) {
        return json.bad(at, "more than %llu tensors", static_cast<unsigned long long>(kMaxGgufTensors));
      }
      if (tensor.size() > kMaxSafetensorsName) {
        return json.bad(at, "the name of a tensor has more than %zu bytes", kMaxSafetensorsName);
      }
      name_bytes += tensor.size();
      if (name_bytes > kMaxSafetensorsNames) {
        return json.bad(at, "names of tensors with more than %zu bytes", kMaxSafetensorsNames);
      }
      SLUICE_TRY(const std::string name, json.text(kMaxJsonKeyBytes));
      if (!is_plain_name(name)) {
        return json.bad(at, "the file of tensor %.*s is not the plain name of a .safetensors file in this folder",
                        int(tensor.size()), tensor.data());
      }
      const auto [place, is_new] = numbers.emplace(name, uint32_t(index.files.size()));
      if (is_new) index.files.push_back(name);
      if (index.files.size() >= kMaxGgufParts) return json.bad(at, "more than %u files", kMaxGgufParts - 1);
      index.mentions.push_back({std::string(tensor), place->second, at});
      return {};
    });
  }));
  SLUICE_DO(json.finish());
  if (index.files.empty()) return make_error(Code::kBadModel, path, kNoOffset, "weight_map is missing or empty");
  return index;
}

class WeightReader {
 public:
  WeightReader(const std::string& folder, const HfConfig& config, HfAssembler& out)
      : folder_(folder), config_(config), out_(out) {}

  Status run(const Notice& notice, uint32_t& n_rows) {
    const std::string index_path = folder_ + kHfIndex;
    Index index;
    if (exists(index_path)) {
      SLUICE_TRY(index, read_index(index_path));
    } else {
      index.files = {kHfWeights};
    }
    for (size_t i = 0; i < index.files.size(); ++i) {
      const std::string path = folder_ + index.files[i];
      auto file = InputFile::open(path, PageCache::kAvoid);
      if (!file.ok()) {
        Error error = file.error();
        if (index.files.size() > 1 && !exists(path)) {
          error.message = "file " + std::to_string(i + 1) + " of the " + std::to_string(index.files.size()) +
                          " that the index lists is missing";
        }
        return error;
      }
      SLUICE_TRY(const std::vector<SafeTensor> tensors, read_safetensors(*file));
      const uint32_t part = out_.add_file(std::move(file).value());
      for (const SafeTensor& tensor : tensors) SLUICE_DO(add(path, part, tensor));
      SLUICE_DO(check_mentions(index_path, index, uint32_t(i), tensors));
    }
    if (out_.n_tensors() == 0) {
      return make_error(Code::kBadModel, folder_ + index.files[0], kNoOffset, "has no tensors of a language model");
    }
    if (n_other_ > 0) {
      notice(std::to_string(n_other_) + " tensors of other parts than text (images, sound) are left out");
    }
    SLUICE_DO(check_vocabulary());
    if (config_.untied && !has_head_) {
      return config_.values.error("tie_word_embeddings", "is false, but there is no tensor lm_head.weight");
    }
    n_rows = n_rows_;
    return {};
  }

 private:
  // While the file's tensors are at hand: names of all files together could be too many to keep.
  static Status check_mentions(const std::string& index_path, const Index& index, uint32_t file,
                               const std::vector<SafeTensor>& tensors) {
    std::vector<std::string_view> names;
    for (const SafeTensor& tensor : tensors) names.push_back(tensor.name);
    std::sort(names.begin(), names.end());
    for (const Mention& m : index.mentions) {
      if (m.file != file || std::binary_search(names.begin(), names.end(), m.tensor)) continue;
      return make_error(Code::kBadModel, index_path, m.offset, "tensor %.200s is not in %s", m.tensor.c_str(),
                        index.files[file].c_str());
    }
    return {};
  }

  // The embedding may have rows of padding, but not too few.
  Status check_vocabulary() const {
    const std::string name = config_.text + "vocab_size";
    const JsonValue* value = config_.values.find(name);
    if (!value) return {};
    const bool is_count = value->kind == JsonKind::kNumber && value->number.is_integer && value->number.integer > 0;
    if (!is_count) return config_.values.error(name, "is no positive whole number");
    if (n_rows_ == 0 || uint64_t(value->number.integer) <= n_rows_) return {};
    return config_.values.error(name, "is " + std::to_string(value->number.integer) + ", but the embedding has " +
                                          std::to_string(n_rows_) + " rows");
  }

  Status add(const std::string& path, uint32_t part, const SafeTensor& tensor) {
    const auto bad = [&](const std::string& reason) {
      return make_error(Code::kBadModel, path, tensor.described_at, "tensor %s %s", tensor.name.c_str(),
                        reason.c_str());
    };
    const HfName name = gguf_name(tensor.name, config_.family->gemma);
    if (name.kind == HfName::kIgnored) return {};
    if (name.kind == HfName::kOtherPart) {
      ++n_other_;
      return {};
    }
    if (name.kind == HfName::kUnknown)
      return bad(std::string("has no place in a ") + config_.family->model_type + " model");
    if (name.gguf == "output.weight" && config_.tied) return {};  // a copy of the embedding
    has_head_ = has_head_ || name.gguf == "output.weight";
    GgufTensor t;
    t.format = find_number(tensor.dtype);
    if (!t.format) return bad("has the type " + tensor.dtype + "; F32, F16 and BF16 are converted");
    if (tensor.n_dims == 0 || tensor.n_dims > kMaxGgufDims) {
      return bad("has the shape " + tensor.shape_text() + ", expected 1 to " + std::to_string(kMaxGgufDims) +
                 " dimensions");
    }
    t.name = name.gguf, t.origin = tensor.name;
    t.n_dims = tensor.n_dims;
    for (uint32_t d = 0; d < t.n_dims; ++d) {
      t.dims[d] = tensor.shape[t.n_dims - 1 - d];
      if (t.dims[d] == 0) return bad("has a dimension of 0");
    }
    t.part = part, t.described_at = tensor.described_at, t.offset = tensor.offset, t.bytes = tensor.bytes;
    if (config_.family->gemma && t.name.ends_with("norm.weight")) t.plus = 1;
    if (t.name == "output_norm.weight") t.times = float(config_.head_times);
    if (t.name == "token_embd.weight") n_rows_ = uint32_t(std::min<uint64_t>(t.dims[1], UINT32_MAX));
    const std::vector<FusedPart> parts = fused_parts(t.name);
    if (parts.empty()) return out_.add_tensor(std::move(t));
    return add_parts(t, parts, bad);
  }

  template <class Bad>
  Status add_parts(const GgufTensor& whole, const std::vector<FusedPart>& parts, Bad bad) {
    const uint64_t q = parts.size() == 3 ? config_.n_heads : 0, kv = parts.size() == 3 ? config_.n_kv_heads : 0;
    const uint64_t shares = parts.size() == 3 ? q + 2 * kv : 2;
    const uint64_t n_rows = whole.n_dims == 1 ? whole.dims[0] : whole.dims[1];
    if (whole.n_dims > 2 || shares == 0 || n_rows % shares != 0) {
      return bad("cannot be cut into " + std::to_string(shares) + " equal parts");
    }
    uint64_t offset = whole.offset;
    for (const FusedPart& part : parts) {
      GgufTensor t = whole;
      const uint64_t rows = n_rows / shares * (part.rows == FusedPart::kQ ? q : part.rows == FusedPart::kKv ? kv : 1);
      t.name = part.gguf;
      t.origin = whole.origin + " (" + part.gguf + ")";
      t.dims[whole.n_dims - 1] = rows;
      t.offset = offset;
      t.bytes = whole.bytes / n_rows * rows;
      offset += t.bytes;
      if (rows == 0) return bad("has too few rows");
      SLUICE_DO(out_.add_tensor(std::move(t)));
    }
    return {};
  }

  const std::string& folder_;
  const HfConfig& config_;
  HfAssembler& out_;
  uint64_t n_other_ = 0;
  uint32_t n_rows_ = 0;
  bool has_head_ = false;
};

}  // namespace

Result<std::vector<std::string>> hf_weight_files(const std::string& folder) {
  if (!exists(folder + kHfIndex)) return std::vector<std::string>{kHfWeights};
  SLUICE_TRY(Index index, read_index(folder + kHfIndex));
  return std::move(index.files);
}

Status add_hf_weights(const std::string& folder, const HfConfig& config, HfAssembler& out, const Notice& notice,
                      uint32_t& n_rows) {
  return WeightReader(folder, config, out).run(notice, n_rows);
}

}  // namespace sluice
