// SPDX-License-Identifier: Apache-2.0
// Writes the toy model that the examples run on: write_toy TOY.slm
#include <string>

#include "sluice/convert.h"
#include "support/gguf_builder.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string slm = argv[1], gguf = slm + ".gguf";
  sluice::test::ToyOptions options;
  options.n_ctx = 4096;
  sluice::test::make_toy_gguf(gguf, options);
  return sluice::convert_file(gguf, slm).ok() ? 0 : 1;
}
