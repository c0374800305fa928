// SPDX-License-Identifier: Apache-2.0
// Predicted speed, its curve, limits on reads and slow disks, through the real program on a toy model.
#include "workshop.h"

namespace sluice {
namespace {

// Large enough to be streamed within budgets above its least.
test::ToyOptions wide() {
  test::ToyOptions options;
  options.d_model = 512, options.d_ff = 1536, options.n_layers = 4, options.n_heads = 8, options.n_kv_heads = 4;
  return options;
}

std::string budget_between(const Workshop& shop, uint64_t parts, uint64_t of) {
  const Json plan = json_of(shop.run({"plan", shop.model, "--context", "128", "--json"}));
  const uint64_t least = plan["minimum_bytes"], all = plan["resident_bytes"];
  REQUIRE(all > least);
  return std::to_string(least + (all - least) * parts / of);
}

}  // namespace

TEST_CASE("a plan's speed comes from a probe until the model has run, then from the run", "[apps][plan]") {
  const Workshop shop;
  const std::vector<std::string> plan = {"plan", shop.model, "--context", "128", "--json"};
  const Json first = json_of(shop.run(plan));
  CHECK(first["predicted"]["from"] == "probe");
  CHECK(first["predicted"]["decode_tok_s"].get<double>() > 0);
  CHECK(first["predicted"]["half_full_tok_s"] <= first["predicted"]["decode_tok_s"]);
  CHECK(first["predicted"]["bound"] == false);
  CHECK(shop.files_in("cache/sluice/speed").size() == 1);
  CHECK(json_of(shop.run(plan))["predicted"]["token_s"] == first["predicted"]["token_s"]);  // kept
  const Json bench =
      json_of(shop.run({"bench", shop.model, "-p", "0", "-n", "32", "-r", "2", "--context", "128", "--json"}));
  const Json then = json_of(shop.run(plan));
  CHECK(then["predicted"]["from"] == "run");
  const double reached = bench["decode"]["tok_s"], said = then["predicted"]["decode_tok_s"];
  CHECK(said >= reached * 0.999);  // the context of the bench is taken off, but
  CHECK(said <= reached * 2);      // never more than half of it
  CHECK(contains(shop.run({"plan", shop.model}).out, "as this model ran here before"));
  CHECK(json_of(shop.run({"plan", shop.model, "--threads", "1", "--json"}))["predicted"]["from"] == "probe");
}

TEST_CASE("the curve rises from the smallest budget to all weights in memory", "[apps][plan]") {
  const Workshop shop(wide());
  const std::string budget = budget_between(shop, 1, 2);
  const Ran ran = shop.run(
      {"plan", shop.model, "--context", "128", "--memory", budget, "--curve", "--json", "--plot", shop / "speed.svg"});
  INFO(ran.err);
  const Json plan = json_of(ran);
  const Json& curve = plan["curve"];
  REQUIRE(curve.size() > 5);
  CHECK(curve.front()["budget_bytes"] == plan["minimum_bytes"]);
  CHECK(curve.front()["streamed_bytes_per_token"].get<uint64_t>() > 0);
  CHECK(curve.back()["streamed_bytes_per_token"] == 0);
  bool here = false;
  for (size_t i = 1; i < curve.size(); ++i) {
    CHECK(curve[i]["budget_bytes"] > curve[i - 1]["budget_bytes"]);
    here = here || curve[i]["budget_bytes"] == plan["budget_bytes"];
    if (curve[i]["budget_bytes"] == plan["budget_bytes"])
      CHECK(curve[i]["decode_tok_s"] == plan["predicted"]["decode_tok_s"]);
    if (curve[i]["budget_bytes"] >= plan["resident_bytes"]) CHECK(curve[i]["streamed_bytes_per_token"] == 0);
  }
  CHECK(here);
  CHECK(contains(shop.read("speed.svg"), "<polyline"));
  const Ran table = shop.run({"plan", shop.model, "--context", "128", "--curve"});
  CHECK(contains(table.out, "from disk for each"));
}

TEST_CASE("a picture that cannot be drawn or written is a failure, and no file", "[apps][plan]") {
  const Workshop shop;
  REQUIRE(shop.run({"plan", shop.model}).code == 0);
  CHECK(shop.run({"plan", shop.model, "--plot", shop / "missing/speed.svg"}).code == 1);
  CHECK(shop.run({"plan", shop.model, "--plot", shop.model}).code == 2);
  CHECK(shop.run({"plan", shop.model, "--plot", shop / "none.svg", "--device", "reference"}).code == 1);
  CHECK(shop.run({"plan", shop.model, "--plot", shop / "none.svg", "--memory", "1M"}).code == 4);
  CHECK(shop.read("none.svg").empty());
}

TEST_CASE("a limit on reads slows a streamed answer down, changes no token, and is in the prediction", "[apps][plan]") {
  const Workshop shop(wide());
  const std::string budget = budget_between(shop, 1, 2);
  const std::vector<std::string> run = {"run", shop.model, "--raw", "-p",        "hello", "-n",
                                        "4",   "--temp",   "0",     "--context", "128",   "--json"};
  const auto with = [](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const Json whole = json_of(shop.run(run));
  const Json plan =
      json_of(shop.run({"plan", shop.model, "--context", "128", "--memory", budget, "--io-limit", "8M", "--json"}));
  const uint64_t streamed = plan["streamed_bytes_per_token"];
  REQUIRE(streamed > 0);
  CHECK(plan["io_limit"] == 8 << 20);
  CHECK(plan["predicted"]["decode_tok_s"].get<double>() <= 1.001 * double(8 << 20) / double(streamed));
  const Json limited = json_of(shop.run(with(run, {"--memory", budget, "--io-limit", "8M"})));
  CHECK(limited["tokens"] == whole["tokens"]);
  CHECK(limited["io"]["bytes_per_token"] == streamed);
  // Four passes, less what waits in the window and the burst at the start.
  const double slots = plan["window"]["slots"], slot = plan["window"]["slot_bytes"];
  const double least = (4 * double(streamed) - (slots + 2) * slot) / double(8 << 20);
  CHECK(limited["timing"]["decode_s"].get<double>() + limited["timing"]["prefill_s"].get<double>() >= 0.9 * least);
  for (const char* verb : {"chat", "bench", "eval"}) CHECK(contains(shop.run({verb, "--help"}).out, "--io-limit"));
}

TEST_CASE("a disk too slow to be of use is named before loading, with what would cure it", "[apps][plan]") {
  const Workshop shop(wide());
  const std::string budget = budget_between(shop, 1, 2);
  const Json plan = json_of(shop.run({"plan", shop.model, "--context", "128", "--memory", budget, "--json"}));
  // A limit that makes each token take three seconds.
  const std::string limit = std::to_string(plan["streamed_bytes_per_token"].get<uint64_t>() / 3);
  Setting setting = shop.setting();
  const std::vector<std::string> run = {"run", shop.model,  "--raw", "-p",       "h",   "-n",
                                        "1",   "--context", "128",   "--memory", budget};
  std::vector<std::string> slow = run, quiet = run;
  slow.insert(slow.end(), {"--io-limit", limit});
  const Ran ran = run_sluice(slow, setting);
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK(contains(ran.err, "slow: each token takes about 3"));
  CHECK(contains(ran.err, "M keeps all weights in memory"));
  const size_t at = ran.err.find("--memory ");
  REQUIRE(at != std::string::npos);
  const Ran cured = shop.run({"plan", shop.model, "--context", "128", "--io-limit", limit, "--memory",
                              ran.err.substr(at + 9, ran.err.find(' ', at + 9) - at - 9), "--json"});
  CHECK(json_of(cured)["predicted"]["decode_tok_s"].get<double>() >= 0.999);
  CHECK(!contains(run_sluice(run, setting).err, "slow"));
}

}  // namespace sluice
