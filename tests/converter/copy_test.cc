// SPDX-License-Identifier: Apache-2.0
// The ways of the weights to the disk: however many threads move them, around the page cache or through it, the file is
// the same; and where the disk fails, there is an error and no file.
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

size_t files_in(const std::string& folder) {
  size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++n;
  return n;
}

// Matrices of several chunks each, and of less than one.
ToyOptions several_chunks(uint32_t matrix_type) {
  ToyOptions o;
  o.architecture = "qwen2";  // with biases
  o.d_model = 512, o.d_ff = 4096, o.n_heads = 8, o.n_kv_heads = 2, o.n_vocab = 4001, o.n_layers = 1;
  o.matrix_type = matrix_type, o.tied = false;
  return o;
}

// The exit code of a process of its own in which `body` runs.
template <class Body>
int in_child(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool failed_with(const Result<ConvertReport>& report, const char* reason) {
  return !report.ok() && report.error().code == Code::kFailed &&
         report.error().message.find(reason) != std::string::npos;
}

}  // namespace

TEST_CASE("one thread through the page cache and many around it write the same file", "[converter]") {
  TemporaryFolder folder;
  const uint32_t type = GENERATE(uint32_t{toy::kQ4_K}, uint32_t{toy::kQ6_K}, uint32_t{toy::kQ8_0}, uint32_t{toy::kQ5_1},
                                 uint32_t{toy::kBF16});
  make_toy_gguf(folder / "toy.gguf", several_chunks(type));
  ConvertOptions options;
  options.n_threads = 1, options.direct_io = false;
  const auto plain = convert_file(folder / "toy.gguf", folder / "plain.slm", options);
  if (!plain.ok()) FAIL(plain.error().text());
  REQUIRE(plain->output_bytes > (4u << 20));
  const std::string expected = contents(folder / "plain.slm");
  for (const int n_threads : {0, 1, 2, 7, 16}) {
    for (const bool direct : {true, false}) {
      CAPTURE(type, n_threads, direct);
      options.n_threads = n_threads, options.direct_io = direct;
      REQUIRE(convert_file(folder / "toy.gguf", folder / "other.slm", options).ok());
      CHECK(contents(folder / "other.slm") == expected);
    }
  }
}

TEST_CASE("a conversion whose file may not grow further is an error and leaves nothing", "[converter]") {
  TemporaryFolder folder;
  make_toy_gguf(folder / "toy.gguf", several_chunks(toy::kQ8_0));
  const bool direct = GENERATE(true, false);
  CHECK(in_child([&] {
          signal(SIGXFSZ, SIG_IGN);
          const rlimit limit{3u << 20, 3u << 20};
          if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
          ConvertOptions options;
          options.direct_io = direct;
          return failed_with(convert_file(folder / "toy.gguf", folder / "toy.slm", options), "cannot write") ? 0 : 1;
        }) == 0);
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a conversion whose disk fills up on the way is an error and leaves nothing", "[converter]") {
  constexpr int kSkipped = 77;
  TemporaryFolder folder, source;
  make_toy_gguf(source / "toy.gguf", several_chunks(toy::kQ8_0));
  const int code = in_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.path().c_str(), "tmpfs", 0, "size=64m") != 0) {
      return kSkipped;
    }
    ConvertOptions options;
    bool filled = false;
    options.progress = [&](uint64_t, uint64_t) {  // by somebody else, after the free space was looked at
      if (!filled) std::ofstream(folder / "other") << std::string(63u << 20, 'x');
      return filled = true;
    };
    const bool failed = failed_with(convert_file(source / "toy.gguf", folder / "toy.slm", options), "No space left");
    if (!failed || files_in(folder.path()) != 1) return 1;
    // And where it does not fit from the start.
    return failed_with(convert_file(source / "toy.gguf", folder / "toy.slm"), "bytes but the file system has") ? 0 : 3;
  });
  if (code == kSkipped) {
    WARN("needs the right to mount a file system");
    return;
  }
  CHECK(code == 0);
}

}  // namespace sluice::test
