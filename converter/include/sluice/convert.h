// SPDX-License-Identifier: Apache-2.0
// The converter's public header: GGUF or safetensors in, .slm out, strip by strip in a fixed amount of memory (under
// 128 MiB whatever the model). Linked by programs that convert, never by the runtime.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace sluice {

// What matrices become. q8: 8 bits. q4: 4 bits, more where errors count most. q4-small: 4 bits everywhere but in the
// head. docs/quantizing.md says which type is used where.
enum class QuantizeTo { kKeep, kQ8, kQ4, kQ4Small };

struct ConvertOptions {
  QuantizeTo quantize = QuantizeTo::kKeep;
  std::string importance;  // path of an importance file; empty: none
  int n_threads = 0;       // 0: as many as keep processors and disk busy and fit the memory; the output is the same
  bool direct_io = true;   // around the page cache where the file system can; the output is the same
  // Called now and then with bytes of weights written and their total; false cancels (kCancelled).
  std::function<bool(uint64_t done, uint64_t total)> progress;
  std::function<void(const std::string& line)> notice;  // things a person should know (requantized tensors, …)
};

struct ConvertReport {
  std::string name, architecture, source;  // "GGUF, mostly Q4_K"
  uint64_t source_bytes = 0, output_bytes = 0, n_parameters = 0;
  uint32_t n_tensors = 0;
};

// Writes `output` whole (temporary name, sync, rename) or not at all. A model split over several GGUF files is named by
// any of its parts; a Hugging Face folder (config.json, tokenizer.json, *.safetensors) by its path.
// kBadModel with file, offset and reason for what is corrupt, contradictory or unsupported.
Result<ConvertReport> convert_file(const std::string& input, const std::string& output,
                                   const ConvertOptions& options = {});

// ---- a converted model against its source ------------------------------------------------------------------------

// The converted model, as the program that opened it sees it.
struct ConvertedModel {
  struct Tensor {
    std::string name, format;  // name in the source
    uint32_t rows = 0, cols = 0;
  };
  std::vector<Tensor> tensors;
  // Rows [first_row, first_row + n_rows) of tensors[index] in the source's order, row-major. From several threads.
  std::function<Status(size_t index, uint32_t first_row, uint32_t n_rows, float* out)> read;
};

struct CheckedType {
  std::string type, format;  // in the source, in the model
  std::string remark;        // why weights may differ ("rounded to float32", "quantized"); empty: they may not
  uint32_t tensors = 0;
  uint64_t weights = 0, different = 0;
};

struct WeightDifference {
  std::string tensor;
  uint64_t row = 0, col = 0;
  float source = 0, model = 0;
};

struct CheckReport {
  std::vector<CheckedType> types;
  uint64_t weights = 0;
  std::optional<WeightDifference> first;  // among the weights that may not differ
  std::vector<std::string> problems;      // tensors that only one side has, or with another shape
  std::vector<std::string> elsewhere;     // source tensors whose numbers are in the header of the model
  bool equal() const { return !first && problems.empty(); }
};

// Decodes every weight of `source` anew and compares it bit for bit. n_threads 0: as many as compute well here; each takes
// a few MiB.
Result<CheckReport> check_against_source(const std::string& source, const ConvertedModel& model, int n_threads = 0,
                                         const std::function<bool(uint64_t done, uint64_t total)>& progress = {});

// ---- how much each input of a matrix matters --------------------------------------------------------------------

struct InputImportance {
  std::string tensor;               // the matrix, by its name in GGUF files
  uint64_t rows = 0;                // activations that were seen
  std::vector<float> mean_squares;  // of them, per input column
};

// The matrix's name in GGUF files, by its role and layer as the header of a .slm says them; empty: it has no entry.
std::string importance_name(const std::string& role, int32_t layer);
// kBadModel for what is no importance file, or a damaged one.
Result<std::vector<InputImportance>> read_importance(const std::string& path);
// `text_name`, `n_windows` and `window_tokens` say what it was made from, for people. kFailed: a sum is not finite.
Status write_importance(const std::string& path, const std::vector<InputImportance>& list, const std::string& text_name,
                        uint32_t n_windows, uint32_t window_tokens);

// ---- files -------------------------------------------------------------------------------------------------------

// All files of the model that `path` names, in order: the parts of a split model, what a folder holds, else `path`
// alone.
std::vector<std::string> source_files(const std::string& path);

// True if it looks like something convert_file reads: a file with the magic of GGUF, a folder with config.json and
// safetensors.
bool is_convertible(const std::string& path);

}  // namespace sluice
