// SPDX-License-Identifier: Apache-2.0
#include "converter/open_source.h"

#include "converter/hf_folder.h"

namespace sluice {

Result<Gguf> open_source(const std::string& path, const Notice& notice) {
  return names_folder(path) ? open_hf_folder(path, notice) : Gguf::open(path);
}

}  // namespace sluice
