// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include "support/catch.h"
#include "verbs.h"

namespace sluice {
namespace {

const std::vector<OptionSection> kSections = {{"",
                                               {Opt::kMemory, Opt::kThreads, Opt::kTemp, Opt::kSeed, Opt::kMaxTokens,
                                                Opt::kPrompt, Opt::kStop, Opt::kKv, Opt::kDevice, Opt::kJson}}};

std::string parse(std::vector<const char*> words, Arguments& arguments) {
  return parse_arguments(words, kSections, arguments);
}

std::string problem(std::vector<const char*> words) {
  Arguments arguments;
  return parse(words, arguments);
}

}  // namespace

TEST_CASE("sizes count in powers of 1024 and refuse what is no size", "[apps]") {
  CHECK(parse_size("512M") == 512ull << 20);
  CHECK(parse_size("2G") == 2ull << 30);
  CHECK(parse_size("1.5g") == 3ull << 29);
  CHECK(parse_size("3KiB") == 3072u);
  CHECK(parse_size("1048576") == 1048576u);
  CHECK(parse_size("18446744073709551615") == UINT64_MAX);
  CHECK(parse_size("16777215T") == 16777215ull << 40);
  for (const char* bad : {"", "M", "-1", "1 M", "1Q", "1MM", "0x10", "1e9", "18446744073709551616", "16777216T",
                          "99999999999999999999G", "1.2.3", ".", "nan", "inf", "1iB"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad).has_value());
  }
}

TEST_CASE("options may be written in every usual way and mixed with arguments", "[apps]") {
  Arguments a;
  REQUIRE(parse({"model", "--memory=1G", "--threads", "2", "-n5", "-p", "--not-an-option", "--json", "--", "--memory"},
                a) == "");
  CHECK(a.positional() == std::vector<std::string>{"model", "--memory"});
  CHECK(a.whole(Opt::kMemory, 0) == 1u << 30);
  CHECK(a.whole(Opt::kThreads, 0) == 2);
  CHECK(a.whole(Opt::kMaxTokens, 0) == 5);
  CHECK(a.text(Opt::kPrompt) == "--not-an-option");
  CHECK(a.has(Opt::kJson));
  CHECK_FALSE(a.has(Opt::kSeed));
  CHECK(a.whole(Opt::kSeed, 7) == 7);
}

TEST_CASE("the last of equal options counts, and --stop collects", "[apps]") {
  Arguments a;
  REQUIRE(parse({"--threads", "2", "--threads", "3", "--stop", "a", "--stop", "b"}, a) == "");
  CHECK(a.whole(Opt::kThreads, 0) == 3);
  CHECK(a.all(Opt::kStop) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a usage error names the option and what is allowed", "[apps]") {
  CHECK(problem({"--threads", "0"}) == "--threads: '0' is not a whole number from 1 to 256");
  CHECK(problem({"--threads", "257"}) == "--threads: '257' is not a whole number from 1 to 256");
  CHECK(problem({"--threads", "2x"}).find("--threads") == 0);
  CHECK(problem({"--temp", "-0.1"}) == "--temp: '-0.1' is not a number from 0 to 100");
  CHECK(problem({"--temp", "nan"}).find("--temp") == 0);
  CHECK(problem({"--memory", "much"}).find("512M") != std::string::npos);
  CHECK(problem({"--memory", "0"}).find("--memory") == 0);
  CHECK(problem({"--kv", "morph"}) == "--kv: 'morph' is not known; allowed: full");
  CHECK(problem({"--device", "cuda"}) == "--device: 'cuda' is not known; allowed: auto, cpu, reference");
  CHECK(problem({"--thread", "2"}) == "unknown option --thread (did you mean --threads?)");
  CHECK(problem({"--quantum"}) == "unknown option --quantum");
  CHECK(problem({"-z"}) == "unknown option -z");
  CHECK(problem({"--prompt"}) == "--prompt needs a value: --prompt TEXT");
  CHECK(problem({"-n"}) == "-n needs a value: -n N");
  CHECK(problem({"--json=yes"}) == "--json takes no value");
}

TEST_CASE("numbers at the edge are taken and numbers beyond are refused", "[apps]") {
  Arguments a;
  CHECK(parse({"--seed", "18446744073709551615"}, a) == "");
  CHECK(a.whole(Opt::kSeed, 0) == UINT64_MAX);
  CHECK(problem({"--seed", "18446744073709551616"}).find("--seed") == 0);
  CHECK(problem({"--seed", "-1"}).find("--seed") == 0);
  CHECK(problem({"-n", "2147483647"}) == "");
  CHECK(problem({"-n", "2147483648"}).find("-n") == 0);
  CHECK(problem({"-n", "99999999999999999999999"}).find("-n") == 0);
  CHECK(problem({"-n", std::string(100000, '9').c_str()}).size() < 200);
}

TEST_CASE("every option of the table has a help text and an unambiguous name", "[apps]") {
  for (const OptionSection& section : {engine_options(), sampling_options(), general_options()}) {
    for (Opt id : section.options) {
      const OptionSpec& spec = option_spec(id);
      CHECK(spec.id == id);
      CHECK(*spec.help != 0);
      CHECK((*spec.name || spec.letter));
    }
  }
}

}  // namespace sluice
