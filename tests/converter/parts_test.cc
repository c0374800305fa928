// SPDX-License-Identifier: Apache-2.0
// Models split over several files: found by name from any part, refused when parts are missing, exchanged or foreign.
#include <filesystem>

#include "converter/gguf.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

std::string part_path(const TemporaryFolder& folder, const std::string& stem, int i, int n) {
  char ending[32];
  snprintf(ending, sizeof ending, "-%05d-of-%05d.gguf", i + 1, n);
  return folder / (stem + ending);
}

// The toy cut into n parts as gguf-split does it: all keys and the first tensors in part 0.
std::vector<GgufBuilder> parts_of(const GgufBuilder& whole, int n) {
  std::vector<GgufBuilder> parts(static_cast<size_t>(n));
  parts[0] = whole;
  parts[0].tensors.clear();
  const size_t n_tensors = whole.tensors.size();
  for (size_t t = 0; t < n_tensors; ++t) parts[t * size_t(n) / n_tensors].tensors.push_back(whole.tensors[t]);
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].number("split.no", gguf_id::kU16, uint16_t(i)).number("split.count", gguf_id::kU16, uint16_t(n));
    parts[i].number("split.tensors.count", gguf_id::kI32, int32_t(n_tensors));
  }
  return parts;
}

void write_parts(const TemporaryFolder& folder, const std::string& stem, const std::vector<GgufBuilder>& parts) {
  for (size_t i = 0; i < parts.size(); ++i) parts[i].write(part_path(folder, stem, int(i), int(parts.size())));
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string refusal(const std::string& path, const std::string& output) {
  const auto report = convert_file(path, output);
  if (report.ok()) return "accepted";
  CHECK(report.error().code == Code::kBadModel);
  CHECK_FALSE(std::filesystem::exists(output));
  return report.error().text();
}

bool says(const std::string& text, const std::string& part) {
  CAPTURE(text, part);
  CHECK(text.find(part) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE("any part of a split model converts to the same weights as the whole file", "[converter][parts]") {
  TemporaryFolder folder;
  const GgufBuilder whole = toy_gguf({});
  whole.write(folder / "whole.gguf");
  REQUIRE(convert_file(folder / "whole.gguf", folder / "whole.slm").ok());
  const auto weights = [&](const std::string& path) { return file_bytes(path).substr(4096, 200 << 10); };
  for (const int n : {2, 3, 7}) {
    write_parts(folder, "toy", parts_of(whole, n));
    for (int i = 0; i < n; ++i) {
      const auto report = convert_file(part_path(folder, "toy", i, n), folder / "parts.slm");
      if (!report.ok()) FAIL(report.error().text());
      CHECK(weights(folder / "parts.slm") == weights(folder / "whole.slm"));
      uint64_t bytes = 0;
      for (int j = 0; j < n; ++j) bytes += std::filesystem::file_size(part_path(folder, "toy", j, n));
      CHECK(report->source_bytes == bytes);
      CHECK(source_files(part_path(folder, "toy", i, n)).size() == size_t(n));
    }
  }
  CHECK(source_files(folder / "whole.gguf") == std::vector<std::string>{folder / "whole.gguf"});
}

TEST_CASE("a first part may hold the metadata alone", "[converter][parts]") {
  TemporaryFolder folder;
  std::vector<GgufBuilder> parts = parts_of(toy_gguf({}), 2);
  parts[1].tensors.insert(parts[1].tensors.begin(), parts[0].tensors.begin(), parts[0].tensors.end());
  parts[0].tensors.clear();
  write_parts(folder, "toy", parts);
  CHECK(convert_file(part_path(folder, "toy", 0, 2), folder / "toy.slm").ok());
}

TEST_CASE("parts that are missing, exchanged or of another model are refused", "[converter][parts]") {
  TemporaryFolder folder;
  const std::string output = folder / "toy.slm";
  std::vector<GgufBuilder> parts = parts_of(toy_gguf({}), 3);
  const auto path = [&](int i) { return part_path(folder, "toy", i, 3); };
  const auto written = [&] { write_parts(folder, "toy", parts); };

  written();
  std::filesystem::remove(path(1));
  for (const int i : {0, 2}) {
    const std::string text = refusal(path(i), output);
    says(text, "part 2 of 3 of this model");
    says(text, path(1));
  }

  written();
  std::filesystem::rename(path(1), folder / "x");
  std::filesystem::rename(path(2), path(1));
  std::filesystem::rename(folder / "x", path(2));
  says(refusal(path(0), output), "says that this is part 3 of 3, but by its name it is part 2 of 3");
  says(refusal(path(1), output), "the name of this one should end in -00003-of-00003.gguf");

  written();
  std::filesystem::rename(path(0), folder / "renamed.gguf");
  says(refusal(folder / "renamed.gguf", output), "should end in -00001-of-00003.gguf");
  written();

  // A whole file in the place of a part.
  toy_gguf({}).write(path(2));
  says(refusal(path(0), output), "split.count is missing, but this should be part 3 of 3");

  // A part of a model that was cut elsewhere: its tensors are there twice, or others lack.
  GgufBuilder twice = parts[2];
  twice.tensors = parts[1].tensors;
  twice.write(path(2));
  says(refusal(path(0), output), "is in an earlier part too");
  GgufBuilder fewer = parts[2];
  fewer.tensors.pop_back();
  fewer.write(path(2));
  says(refusal(path(0), output), "split.tensors.count is 20, but the parts have 19 tensors together");
  GgufBuilder other = parts[2];
  other.text("general.name", "Another");
  other.write(path(2));
  says(refusal(path(0), output), "general.name differs from that of the first part");

  // Damage is told with the part it is in.
  written();
  const std::string bytes = file_bytes(path(2));
  GgufBuilder::write_bytes(path(2), bytes.substr(0, bytes.size() - 100));
  const std::string text = refusal(path(0), output);
  says(text, "part 3 of 3 of this model: the data of tensor");
  says(text, path(2));
}

TEST_CASE("a split model never replaces one of its parts", "[converter][parts]") {
  TemporaryFolder folder;
  write_parts(folder, "toy", parts_of(toy_gguf({}), 2));
  const auto report = convert_file(part_path(folder, "toy", 0, 2), part_path(folder, "toy", 1, 2));
  REQUIRE(!report.ok());
  CHECK(report.error().code == Code::kUsage);
}

TEST_CASE("512 parts are the most, and names of parts are exact", "[converter][parts]") {
  CHECK(part_paths("m-00001-of-00512.gguf").size() == 512);
  CHECK(part_paths("m-00001-of-00513.gguf").empty());
  for (const char* name : {"m-00000-of-00002.gguf", "m-00003-of-00002.gguf", "m-1-of-2.gguf", "m-00001-of-00002.bin",
                           "-00001-of-00002.gguf", "m-0000a-of-00002.gguf", "m-+0001-of-00002.gguf", ""}) {
    CAPTURE(name);
    CHECK(part_paths(name).empty());
  }
  TemporaryFolder folder;
  GgufBuilder g = toy_gguf({});
  g.number("split.count", gguf_id::kU16, uint16_t(513)).number("split.no", gguf_id::kU16, uint16_t(0));
  g.write(folder / "m-00001-of-00513.gguf");
  says(refusal(folder / "m-00001-of-00513.gguf", folder / "m.slm"), "at most 512 parts");
}

}  // namespace sluice::test
