// SPDX-License-Identifier: Apache-2.0
// The conversion from top to bottom: read and check the source, build the vocabulary, describe the model as data, fix
// the layout of the output, move the weights, write the header.
#include "sluice/convert.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <utility>

#include "converter/archs/architecture.h"
#include "converter/hf_folder.h"
#include "converter/open_source.h"
#include "converter/quantize_mix.h"
#include "converter/vocabulary.h"
#include "converter/weight_copier.h"

namespace sluice {

namespace {

constexpr const char* kFirstReader = "0.1.0";  // the first program version that reads this layout

Status refuse_same_file(const std::string& input, const std::string& output) {
  struct stat in, out;
  if (stat(input.c_str(), &in) != 0 || stat(output.c_str(), &out) != 0) return {};
  if (in.st_dev != out.st_dev || in.st_ino != out.st_ino) return {};
  return make_error(Code::kUsage, output, kNoOffset, "the output would replace the input");
}

// "GGUF, mostly Q4_K": the type with the most bytes.
std::string describe_source(const Gguf& gguf) {
  std::map<std::string, uint64_t> bytes;
  for (const GgufTensor& tensor : gguf.tensors()) bytes[tensor.format->name] += tensor.bytes;
  const std::string container = gguf.container();
  if (bytes.empty()) return container + ", vocabulary only";
  const auto most = std::max_element(bytes.begin(), bytes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  return container + (bytes.size() > 1 ? ", mostly " : ", ") + most->first;
}

// One line for each type whose weights do not keep their exact value.
void tell_remarks(const ModelDescription& model, const Notice& notice) {
  std::map<const BlockFormat*, int> counts;
  for (const Part& part : model.parts) {
    for (const TensorUse& use : part.members) {
      if (use.source->format->remark) ++counts[use.source->format];
    }
  }
  for (const auto& [format, n] : counts) {
    notice(std::to_string(n) + (n == 1 ? " tensor" : " tensors") + " of the type " + format->name + " as " +
           format->native + ", " + format->remark);
  }
}

std::string file_stem(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.rfind('.'));
}

uint64_t header_estimate(const fb::HeaderT& header, uint64_t weight_bytes) {
  const fb::VocabT& v = *header.vocab;
  return v.bytes.size() + v.types.size() * 16 + v.text_buckets.size() * 4 + v.merge_left.size() * 16 +
         weight_bytes / kMinChunkBytes * sizeof(fb::Chunk) + header.tensors.size() * 256 + (1 << 20);
}

}  // namespace

Result<ConvertReport> convert_file(const std::string& input, const std::string& output, const ConvertOptions& options) {
  const Notice notice = options.notice ? options.notice : [](const std::string&) {};
  SLUICE_DO(refuse_same_file(input, output));
  for (const std::string& path : source_files(input)) SLUICE_DO(refuse_same_file(path, output));
  if (!options.importance.empty()) SLUICE_DO(refuse_same_file(options.importance, output));
  SLUICE_TRY(const Gguf gguf, open_source(input, notice));
  for (const std::string& path : gguf.paths()) SLUICE_DO(refuse_same_file(path, output));

  fb::HeaderT header;
  header.min_reader = kFirstReader;
  header.layout = "packed";
  header.source = describe_source(gguf);
  SLUICE_TRY(header.name, gguf.text("general.name", file_stem(input)));
  SLUICE_TRY(header.architecture, gguf.text("general.architecture"));
  for (const char* key : {"general.name", "general.architecture"}) {
    const GgufValue* value = gguf.find(key);
    if (value && value->count > kMaxNameBytes)
      return gguf.key_error(key, "is longer than " + std::to_string(kMaxNameBytes) + " bytes");
  }
  SLUICE_TRY(header.vocab, build_vocabulary(gguf, notice));
  SLUICE_DO(read_chat_defaults(gguf, header));

  ModelDescription model;
  if (!gguf.tensors().empty()) {
    const Architecture* architecture = find_architecture(header.architecture);
    if (!architecture) {
      return gguf.key_error("general.architecture",
                            "is \"" + header.architecture + "\"; " + known_architectures() + " are known");
    }
    SLUICE_TRY(model, describe_model(gguf, *architecture, uint32_t(header.vocab->types.size())));
    for (const Part& part : model.parts) {
      for (const TensorUse& use : part.members) {
        if (use.rows > 1 && use.source->dims[1] > use.rows) {
          notice(use.source->title() + ": " + std::to_string(use.source->dims[1] - use.rows) +
                 " padding rows are left out");
        }
      }
    }
    tell_remarks(model, notice);
    header.config = std::make_unique<fb::ConfigT>(std::move(model.config));
  }

  SlmWriter writer;
  std::vector<InputImportance> importance;
  if (!options.importance.empty()) {
    SLUICE_TRY(importance, read_importance(options.importance));
  }
  SLUICE_TRY(const Recipes recipes, make_recipes(model, options.quantize, importance, notice));
  WeightCopier copier(gguf, model, recipes);
  copier.announce(writer, header);
  SLUICE_DO(writer.start(output, header_estimate(header, writer.weight_bytes()),
                         options.direct_io ? PageCache::kAvoid : PageCache::kDrop));
  SLUICE_DO(copier.copy(writer, options.n_threads, options.progress, notice));

  ConvertReport report;
  report.name = header.name;
  report.architecture = header.architecture;
  report.source = header.source;
  report.source_bytes = gguf.total_bytes();
  report.n_parameters = header.n_parameters;
  report.n_tensors = uint32_t(header.tensors.size());
  SLUICE_DO(writer.finish(std::move(header)));
  struct stat info;
  if (stat(output.c_str(), &info) == 0) report.output_bytes = uint64_t(info.st_size);
  return report;
}

std::vector<std::string> source_files(const std::string& path) {
  if (names_folder(path)) return hf_files(path);
  std::vector<std::string> paths = part_paths(path);
  for (const std::string& part : paths) {
    if (!is_convertible(part)) return {path};
  }
  return paths.empty() ? std::vector<std::string>{path} : paths;
}

bool is_convertible(const std::string& path) {
  if (names_folder(path)) return is_hf_folder(path);
  const Result<InputFile> file = InputFile::open(path);
  char magic[4];
  return file.ok() && file.value().size() >= sizeof magic &&
         file.value().read_at(0, std::as_writable_bytes(std::span(magic))).ok() && std::equal(magic, magic + 4, "GGUF");
}

}  // namespace sluice
