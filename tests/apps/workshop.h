// SPDX-License-Identifier: Apache-2.0
// A folder with a toy model and a cache of its own, and the program run inside it.
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice {

using Json = nlohmann::ordered_json;

class Workshop {
 public:
  explicit Workshop(const test::ToyOptions& toy = {}) : model(folder_ / "toy.gguf") { test::make_toy_gguf(model, toy); }

  Setting setting() const {
    Setting s;
    s.environment = {{"HOME", folder_.path()}, {"XDG_CACHE_HOME", folder_ / "cache"}, {"LC_ALL", "C.UTF-8"}};
    return s;
  }
  Ran run(const std::vector<std::string>& arguments, const std::string& input = {}) const {
    Setting s = setting();
    s.input = input;
    return run_sluice(arguments, s);
  }
  std::string operator/(const std::string& name) const { return folder_ / name; }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(folder_ / name, std::ios::binary).rdbuf();
    return text.str();
  }
  std::vector<std::string> files_in(const std::string& name) const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / name, ignored)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  TemporaryFolder folder_;

 public:
  const std::string model;
};

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The one line of JSON on standard output.
inline Json json_of(const Ran& ran) {
  Json json = Json::parse(ran.out, nullptr, false);
  INFO(ran.out << ran.err);
  REQUIRE(!json.is_discarded());
  REQUIRE(ran.out.find('\n') == ran.out.size() - 1);
  return json;
}

}  // namespace sluice
