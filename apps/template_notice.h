// SPDX-License-Identifier: Apache-2.0
// What to say after a conversion when the model's chat template is more than this version can run.
#pragma once
#include <string>

namespace sluice {

// Empty if there is nothing to say about the model in that .slm file.
std::string template_notice(const std::string& slm_path);

}  // namespace sluice
