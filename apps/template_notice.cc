// SPDX-License-Identifier: Apache-2.0
#include "template_notice.h"

#include "generation.h"

namespace sluice {

std::string template_notice(const std::string& slm_path) {
  OpenModel model;
  Json facts;
  if (sluice_model_open(slm_path.c_str(), out(model.model), nullptr) != SLUICE_OK) return "";
  if (describe_model(model, facts) != 0) return "";
  const Json& problem = facts["chat_template_problem"];
  if (!problem.is_string() || problem == "") return "";
  return "the chat template cannot be used (" + problem.get<std::string>() +
         "): `sluice run --raw` works, `sluice chat` does not";
}

}  // namespace sluice
