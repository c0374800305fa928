// SPDX-License-Identifier: Apache-2.0
// Toy models for the tests of the runtime: a generated GGUF file, converted, opened, planned, loaded.
#pragma once
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/engine.h"
#include "runtime/model/shape.h"
#include "runtime/session/session.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

// Converts; the path of the .slm file.
std::string make_toy(const TemporaryFolder& folder, const ToyOptions& options = {}, const std::string& name = "toy");

struct ToyEngineOptions {
  int n_threads = 1;
  uint32_t n_ctx = 0, max_rows = 0, max_logit_rows = 0;
  uint64_t budget_bytes = 0;
  std::string device = "cpu", isa = "";  // isa: SLUICE_ISA while the engine is made; empty: the best
  uint32_t window_slots = 0;
  uint64_t io_limit = 0;
  std::shared_ptr<const ByteSource> source = nullptr;  // in place of the path
};

struct ToyEngine {
  std::shared_ptr<const Model> model;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Session> session;
};

// Any failure ends the test program with its message.
ToyEngine load_toy(const std::string& path, const ToyEngineOptions& options = {});

using Logits = std::vector<std::vector<float>>;  // of one token after the other
bool equal_bits(const Logits& a, const Logits& b);

// Feeds tokens after what the session holds; the logits of every one of them.
Logits feed_all(Session& session, const std::vector<int32_t>& tokens);

// `n` tokens of the vocabulary, never special ones.
std::vector<int32_t> toy_tokens(size_t n, uint64_t seed = 1);

}  // namespace sluice::test
