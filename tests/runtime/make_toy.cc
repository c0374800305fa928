// SPDX-License-Identifier: Apache-2.0
// A toy model for the test in C.
#include "sluice/convert.h"
#include "support/gguf_builder.h"

extern "C" int make_toy_model(const char* gguf, const char* slm) {
  sluice::test::make_toy_gguf(gguf);
  return sluice::convert_file(gguf, slm).ok() ? 0 : 1;
}
