// SPDX-License-Identifier: Apache-2.0
// One function per family file of this folder.
#pragma once
#include "converter/archs/describer.h"

namespace sluice {

Status describe_llama(Describer& model);
Status describe_qwen2(Describer& model);
Status describe_qwen3(Describer& model);
Status describe_gemma3(Describer& model);
Status describe_phi3(Describer& model);
Status describe_minicpm(Describer& model);

}  // namespace sluice
