// SPDX-License-Identifier: Apache-2.0
// What the program says before it looks at any model.
#include <unistd.h>

#include <csignal>

#include "workshop.h"

namespace sluice {

TEST_CASE("help and version go to standard output and succeed", "[apps]") {
  const Ran help = run_sluice({"--help"});
  CHECK(help.code == 0);
  CHECK(help.err.empty());
  for (const char* verb :
       {"chat", "run", "convert", "inspect", "list", "rm", "plan", "bench", "eval", "tokenize", "template"}) {
    CHECK(contains(help.out, verb));
    const Ran of_verb = run_sluice({verb, "--help"});
    CHECK(of_verb.code == 0);
    CHECK(contains(of_verb.out, std::string("Usage: sluice ") + verb));
    CHECK(contains(of_verb.out, "Example"));
    CHECK(of_verb.out == run_sluice({"help", verb}).out);
    CHECK(of_verb.out.find('\033') == std::string::npos);
  }
  CHECK(run_sluice({"--version"}).out.rfind("sluice 0.", 0) == 0);
  CHECK(run_sluice({"version"}).out == run_sluice({"--version"}).out);
}

TEST_CASE("wrong usage ends with 2, an empty standard output and a message that names the culprit", "[apps]") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{}, "Usage"},
      {{"dance"}, "unknown verb 'dance'"},
      {{"help", "dance"}, "unknown verb"},
      {{"run"}, "argument is missing"},
      {{"run", "a", "b"}, "unexpected argument 'b'"},
      {{"run", "m", "--memory", "lots"}, "--memory"},
      {{"run", "m", "--memory", "999999999999999999999G"}, "--memory"},
      {{"run", "m", "--threads", "0"}, "--threads"},
      {{"run", "m", "--context", "99999999999999999999"}, "from 1 to 2147483647"},
      {{"run", "m", "--temp", "1e999"}, "--temp"},
      {{"run", "m", "--seed", "-1"}, "--seed"},
      {{"run", "m", "-n", "0"}, "-n"},
      {{"run", "m", "--kv", "morph"}, "allowed: full"},
      {{"run", "m", "--kv-type", "f16"}, "allowed: q8"},
      {{"run", "m", "--device", "cuda"}, "allowed: auto, cpu, reference"},
      {{"run", "m", "--layout", "planes"}, "unknown option --layout"},
      {{"run", "m", "-p", "a", "-f", "b"}, "either -p or -f"},
      {{"run", "m", "--raw", "--system", "x", "-p", "a"}, "--system"},
      {{"run", "m", "-p", ""}, "prompt is empty"},
      {{"run", "", "-p", "a"}, "MODEL is empty"},
      {{"convert", "a.gguf"}, "-o OUT.slm"},
      {{"bench", "m", "-b", "2"}, "allowed: 1"},
      {{"bench", "m", "-p", "0", "-n", "0"}, "nothing to measure"},
      {{"eval", "m"}, "--text"},
      {{"eval", "m", "--text", "a", "--reference", "b"}, "--reference"},
      {{"eval", "m", "--reference", "a", "--against", "b"}, "--against"},
      {{"template", "m"}, "--messages"},
      {{"chat", "m", "--json"}, "--json"},
  };
  for (const auto& [arguments, message] : wrong) {
    const Ran ran = run_sluice(arguments);
    INFO((arguments.empty() ? "" : arguments[0]) << ": " << ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.out.empty());
    CHECK(contains(ran.err, message));
  }
}

TEST_CASE("a missing or foreign model file ends with 3", "[apps]") {
  const Workshop shop;
  shop.file("text.gguf", "this is no model");
  shop.file("empty.slm", "");
  std::filesystem::create_directory(shop / "folder");
  for (const char* verb : {"run", "chat", "inspect", "plan", "bench", "tokenize"}) {
    for (const char* name : {"nothing-here", "nothing/here.gguf", "text.gguf", "empty.slm", "folder"}) {
      const Ran ran = shop.run({verb, shop / name}, "hello");
      INFO(verb << " " << name << ": " << ran.err);
      CHECK(ran.code == 3);
      CHECK(ran.out.empty());
      CHECK(contains(ran.err, shop / name));
    }
  }
  CHECK(shop.run({"run", "no-such-name", "-p", "a"}).code == 3);
  CHECK(contains(shop.run({"run", "no-such-name", "-p", "a"}).err, "sluice list"));
}

TEST_CASE("an input text that is missing, a folder or too large ends with 2", "[apps]") {
  const Workshop shop;
  std::filesystem::create_directory(shop / "folder");
  std::filesystem::resize_file(shop.file("huge", ""), (64u << 20) + 1);
  for (const std::string& text : {shop / "nothing", shop / "folder", shop / "huge"}) {
    const Ran ran = shop.run({"run", shop.model, "-f", text});
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK(contains(ran.err, text));
  }
  CHECK(shop.run({"tokenize", shop.model, "-f", shop / "nothing"}).code == 2);
  CHECK(shop.run({"eval", shop.model, "--text", shop / "nothing"}).code == 2);
  CHECK(shop.run({"eval", shop.model, "--reference", shop / "nothing"}).code == 2);
  CHECK(shop.run({"template", shop.model, "--messages", shop / "nothing"}).code == 2);
}

TEST_CASE("a model that may not be read ends with 3", "[apps]") {
  const Workshop shop;
  std::filesystem::permissions(shop / "", std::filesystem::perms(0755));
  shop.file("secret.slm", "x");
  for (const char* name : {"secret.slm", "toy.gguf"}) std::filesystem::permissions(shop / name, std::filesystem::perms(0));
  const uid_t me = geteuid();
  // Root may read everything. Both ids change: sanitizers cannot look at a program whose ids differ.
  if (me == 0) REQUIRE(setresuid(65534, 65534, 0) == 0);
  const Setting setting = shop.setting();
  const Ran inspect = run_sluice({"inspect", shop / "secret.slm"}, setting),
            convert = run_sluice({"convert", shop.model, "-o", shop / "o"}, setting),
            run = run_sluice({"run", shop.model, "-p", "hello"}, setting);
  if (me == 0) REQUIRE(setresuid(0, 0, 0) == 0);
  if (contains(inspect.err, "cannot start")) return;  // nobody else may run the program where it was built
  for (const Ran& ran : {inspect, convert, run}) {
    INFO(ran.err);
    CHECK(ran.code == 3);
    CHECK(contains(ran.err, "Permission denied"));
  }
}

TEST_CASE("a standard output that cannot be written ends with 1, one that nobody reads quietly", "[apps]") {
  Setting full;
  full.output_file = "/dev/full";
  const Ran ran = run_sluice({"--help"}, full);
  CHECK(ran.code == 1);
  CHECK(contains(ran.err, "standard output"));
  Setting closed;
  closed.close_output = true;
  const Ran quiet = run_sluice({"--help"}, closed);
  CHECK(quiet.signal == SIGPIPE);
  CHECK(quiet.err.empty());
}

}  // namespace sluice
