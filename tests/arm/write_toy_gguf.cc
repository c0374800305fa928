// SPDX-License-Identifier: Apache-2.0
// write_toy_gguf ARCHITECTURE FILE: a toy model for programs that run elsewhere.
#include <cstdio>

#include "support/gguf_builder.h"

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: write_toy_gguf ARCHITECTURE FILE.gguf\n"), 2;
  sluice::test::ToyOptions toy;
  toy.architecture = argv[1];
  sluice::test::make_toy_gguf(argv[2], toy);
}
