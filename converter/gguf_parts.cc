// SPDX-License-Identifier: Apache-2.0
// Models split over several GGUF files. The first part has the metadata; every part says which one it is (split.no,
// from 0), of how many (split.count), and how many tensors all have together (split.tensors.count). The parts are found
// by their names.
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "converter/gguf.h"

namespace sluice {

namespace {

constexpr size_t kSuffixBytes = sizeof "-00001-of-00003.gguf" - 1;

std::string suffix(uint32_t index, uint32_t count) {
  char text[40];
  snprintf(text, sizeof text, "-%05u-of-%05u.gguf", index + 1, count);
  return text;
}

struct PartName {
  std::string prefix;
  uint32_t index = 0, count = 0;  // 0: not the name of a part
};

PartName part_name(const std::string& path) {
  if (path.size() <= kSuffixBytes) return {};
  const std::string ending = path.substr(path.size() - kSuffixBytes);
  PartName name;
  if (sscanf(ending.c_str(), "-%5u-of-%5u.gguf", &name.index, &name.count) != 2 || name.index == 0) return {};
  --name.index;
  if (name.index >= name.count || suffix(name.index, name.count) != ending) return {};
  name.prefix = path.substr(0, path.size() - kSuffixBytes);
  return name;
}

struct Place {
  uint32_t index = 0, count = 1;
};

// What a file says about itself; a file without split.count is whole.
Result<Place> place_of(const Gguf& gguf) {
  Place place;
  SLUICE_TRY(place.count, gguf.integer("split.count", 0, UINT16_MAX, 1));
  if (place.count <= 1) return Place{};
  if (place.count > kMaxGgufParts) {
    return gguf.key_error("split.count", "is " + std::to_string(place.count) + ", at most " +
                                             std::to_string(kMaxGgufParts) + " parts are allowed");
  }
  SLUICE_TRY(place.index, gguf.integer("split.no", 0, place.count - 1));
  return place;
}

std::string part_text(uint32_t index, uint32_t count) {
  return "part " + std::to_string(index + 1) + " of " + std::to_string(count);
}

// A part of another model would give weights that do not belong together.
Status check_same_model(const Gguf& first, const Gguf& part) {
  for (const char* key : {"general.architecture", "general.name"}) {
    if (!part.has(key) || !first.has(key)) continue;
    SLUICE_TRY(const std::string expected, first.text(key));
    SLUICE_TRY(const std::string found, part.text(key));
    if (expected != found) return part.key_error(key, "differs from that of the first part, " + first.file().path());
  }
  return {};
}

}  // namespace

std::vector<std::string> part_paths(const std::string& path) {
  const PartName name = part_name(path);
  if (name.count > kMaxGgufParts) return {};
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < name.count; ++i) paths.push_back(name.prefix + suffix(i, name.count));
  return paths;
}

std::vector<std::string> Gguf::paths() const {
  std::vector<std::string> paths = {file_.path()};
  for (const InputFile& file : more_) paths.push_back(file.path());
  return paths;
}

uint64_t Gguf::total_bytes() const {
  uint64_t bytes = file_.size();
  for (const InputFile& file : more_) bytes += file.size();
  return bytes;
}

Status Gguf::add_part(Gguf part, uint32_t index) {
  for (GgufTensor& tensor : part.tensors_) {
    if (!tensor_index_.emplace(tensor.name, tensors_.size()).second) {
      return make_error(Code::kBadModel, part.file_.path(), tensor.described_at,
                        "the tensor %s is in an earlier part too: these files are not parts of one model",
                        tensor.name.c_str());
    }
    tensor.part = index;
    tensors_.push_back(std::move(tensor));
  }
  more_.push_back(std::move(part.file_));
  return {};
}

Result<Gguf> Gguf::open(const std::string& path) {
  SLUICE_TRY(Gguf named, open_one(path));
  SLUICE_TRY(const Place place, place_of(named));
  if (place.count == 1) return named;
  const std::vector<std::string> paths = part_paths(path);
  if (paths.size() != place.count || paths[place.index] != path) {
    return named.key_error("split.no",
                           "says that this is " + part_text(place.index, place.count) +
                               "; the parts are found by their names, and the name of this one should end in " +
                               suffix(place.index, place.count));
  }
  Gguf model;
  for (uint32_t i = 0; i < place.count; ++i) {
    auto opened = i == place.index ? Result<Gguf>(std::move(named)) : open_one(paths[i]);
    if (!opened.ok()) {
      opened.error().message = part_text(i, place.count) + " of this model: " + opened.error().message;
      return opened.error();
    }
    Gguf part = std::move(opened).value();
    SLUICE_TRY(const Place found, place_of(part));
    if (found.index != i || found.count != place.count) {
      return part.key_error(found.count == 1 ? "split.count" : "split.no",
                            found.count == 1 ? "is missing, but this should be " + part_text(i, place.count)
                                             : "says that this is " + part_text(found.index, found.count) +
                                                   ", but by its name it is " + part_text(i, place.count));
    }
    if (i == 0) {
      model = std::move(part);
      continue;
    }
    SLUICE_DO(check_same_model(model, part));
    if (part.tensors_.size() > kMaxGgufTensors - model.tensors_.size()) {
      return make_error(Code::kBadModel, part.file_.path(), kNoOffset,
                        "the parts have more than %" PRIu64 " tensors together", kMaxGgufTensors);
    }
    SLUICE_DO(model.add_part(std::move(part), i));
  }
  const uint32_t n_tensors = uint32_t(model.tensors_.size());
  SLUICE_TRY(const uint32_t claimed, model.integer("split.tensors.count", 0, UINT32_MAX, n_tensors));
  if (claimed != n_tensors) {
    return model.key_error("split.tensors.count", "is " + std::to_string(claimed) + ", but the parts have " +
                                                      std::to_string(n_tensors) +
                                                      " tensors together: they are not parts of one model");
  }
  return model;
}

}  // namespace sluice
