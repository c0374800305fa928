// SPDX-License-Identifier: Apache-2.0
#include "charsmap_builder.h"

#include <cstring>
#include <set>

namespace sluice {
namespace {

class Builder {
 public:
  explicit Builder(const std::map<std::string, std::string>& replacements) : replacements_(replacements) { use(0); }

  std::vector<uint8_t> bytes() {
    place("", 0);
    const uint32_t n = uint32_t(units_.size() * 4);
    std::vector<uint8_t> out(4 + n);
    memcpy(out.data(), &n, 4);
    memcpy(out.data() + 4, units_.data(), n);
    out.insert(out.end(), texts_.begin(), texts_.end());
    return out;
  }

 private:
  // The children of the node for `prefix`, which lies at `at`: their labels, 0 for a value.
  void place(const std::string& prefix, uint32_t at) {
    std::set<uint8_t> labels;
    for (const auto& [key, text] : replacements_) {
      if (key.compare(0, prefix.size(), prefix) != 0) continue;
      labels.insert(key.size() == prefix.size() ? uint8_t(0) : uint8_t(key[prefix.size()]));
    }
    uint32_t offset = 1;
    for (bool free = false; !free; offset += !free) {
      free = !bases_.count(at ^ offset);  // or one parent would take another's children for its own
      for (uint8_t label : labels) free = free && !used_.count(at ^ offset ^ label);
    }
    bases_.insert(at ^ offset);
    for (uint8_t label : labels) use(at ^ offset ^ label);
    units_[at] |= offset << 10;
    for (uint8_t label : labels) {
      const uint32_t child = at ^ offset ^ label;
      if (label == 0) {
        units_[at] |= 1u << 8;
        units_[child] = uint32_t(texts_.size()) | 1u << 31;
        texts_ += replacements_.at(prefix) + '\0';
      } else {
        units_[child] = label;
        place(prefix + char(label), child);
      }
    }
  }
  void use(uint32_t place) {
    used_.insert(place);
    if (units_.size() <= place) units_.resize(place + 1);
  }

  const std::map<std::string, std::string>& replacements_;
  std::vector<uint32_t> units_;
  std::set<uint32_t> used_, bases_;
  std::string texts_;
};

}  // namespace

std::vector<uint8_t> build_charsmap(const std::map<std::string, std::string>& replacements) {
  return Builder(replacements).bytes();
}

}  // namespace sluice
