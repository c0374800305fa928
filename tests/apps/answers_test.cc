// SPDX-License-Identifier: Apache-2.0
// Answers, measurements and plans, through the real program on toy models.
#include <cmath>
#include <csignal>

#include "workshop.h"

namespace sluice {

namespace {

// The toy's ends come early at random; a fixed -n keeps the tests short in any case.
std::vector<std::string> greedy(const std::string& model, std::vector<std::string> more) {
  std::vector<std::string> all = {"run", model, "--temp", "0", "-n", "24"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("run --json has every promised key and nothing else on standard output", "[apps]") {
  const Workshop shop;
  const Ran ran = shop.run(greedy(shop.model, {"-p", "hello", "--json", "--memory", "256M"}));
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const Json json = json_of(ran);
  CHECK(json["text"].is_string());
  CHECK(json["tokens"].size() >= 1);
  CHECK(json["tokens"].size() <= 24);
  CHECK(json["prompt_tokens"].size() > 3);
  CHECK((json["finish_reason"] == "stop" || json["finish_reason"] == "length"));
  if (json["finish_reason"] == "length") CHECK(json["tokens"].size() == 24);
  for (const char* key : {"load_s", "prefill_s", "decode_s", "prompt_tok_s", "decode_tok_s"})
    CHECK(json["timing"][key].is_number());
  CHECK(json["memory"]["budget_bytes"] == 256u << 20);
  CHECK(json["memory"]["peak_bytes"].get<uint64_t>() > 0);
  CHECK(json["memory"]["peak_bytes"].get<uint64_t>() <= 256u << 20);
}

TEST_CASE("run streams the same answer as text, from every kind of prompt", "[apps]") {
  const Workshop shop;
  const Json json = json_of(shop.run(greedy(shop.model, {"-p", "hello world", "--json"})));
  const std::string text = json["text"];
  CHECK(shop.run(greedy(shop.model, {"-p", "hello world"})).out == text);
  CHECK(shop.run(greedy(shop.model, {}), "hello world\n").out == text);
  CHECK(shop.run(greedy(shop.model, {"-f", "-"}), "hello world").out == text);
  CHECK(shop.run(greedy(shop.model, {"-f", shop.file("p.txt", "hello world\n")})).out == text);
  // The template written by hand and fed raw is the same prompt.
  const Json raw = json_of(shop.run(greedy(
      shop.model, {"--raw", "--json", "-p", "<|im_start|>user\nhello world<|im_end|>\n<|im_start|>assistant\n"})));
  CHECK(raw["prompt_tokens"] == json["prompt_tokens"]);
  CHECK(raw["tokens"] == json["tokens"]);
  const Json system = json_of(shop.run(greedy(shop.model, {"-p", "hello world", "--json", "--system", "is"})));
  CHECK(system["prompt_tokens"].size() > json["prompt_tokens"].size());
}

TEST_CASE("greedy answers are equal for every thread count, and seeds fix the drawn ones", "[apps]") {
  const Workshop shop;
  const Json one = json_of(shop.run(greedy(shop.model, {"-p", "hello", "--json", "--threads", "1"})));
  const Json two = json_of(shop.run(greedy(shop.model, {"-p", "hello", "--json", "--threads", "2"})));
  CHECK(one["tokens"] == two["tokens"]);
  const std::vector<std::string> drawn = {"run", shop.model, "-p",  "hello",  "-n",
                                          "24",  "--temp",   "1.5", "--json", "--seed"};
  const auto with_seed = [&](const char* seed) {
    std::vector<std::string> all = drawn;
    all.push_back(seed);
    return json_of(shop.run(all));
  };
  CHECK(with_seed("1")["tokens"] == with_seed("1")["tokens"]);
  CHECK(with_seed("1")["tokens"] != with_seed("2")["tokens"]);
  CHECK(with_seed("18446744073709551615")["seed"] == UINT64_MAX);
}

TEST_CASE("stop texts end the answer and are not part of it", "[apps]") {
  const Workshop shop;
  const auto answer = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"run",    shop.model, "-p",     "hello", "-n",    "48",
                                    "--temp", "2",        "--seed", "3",     "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return json_of(shop.run(all));
  };
  const std::string text = answer({})["text"];
  size_t middle = text.size() / 2;
  while (middle < text.size() && (text[middle] & 0xc0) == 0x80) ++middle;  // to the beginning of a character
  size_t end = middle + 1;
  while (end < text.size() && (text[end] & 0xc0) == 0x80) ++end;
  REQUIRE(end < text.size());
  const std::string stop = text.substr(middle, end - middle);
  const Json json = answer({"--stop", "never so", "--stop", stop});
  CHECK(json["finish_reason"] == "stop");
  CHECK(json["text"] == text.substr(0, text.find(stop)));
  CHECK(answer({"--stop", text})["text"] == "");
}

TEST_CASE("odd prompts are answered or refused, never worse", "[apps]") {
  const Workshop shop;
  CHECK(shop.run(greedy(shop.model, {"-p", "\xff\xfe\xc3 \xed\xa0\x80", "--json"})).code == 0);
  CHECK(shop.run(greedy(shop.model, {"--raw", "-p", "\xff\xc3", "--json"})).code == 0);
  CHECK(shop.run(greedy(shop.model, {}), "").code == 2);
  const Ran empty = shop.run(greedy(shop.model, {"--raw", "-p", ""}));
  CHECK(empty.code == 2);
  CHECK(contains(empty.err, "empty"));
  const Ran large = shop.run(greedy(shop.model, {"-p", std::string(20000, 'x')}));
  CHECK(large.code == 2);
  CHECK(large.out.empty());
  CHECK(contains(large.err, "512"));  // the toy's context
  // So long that no tokens could make it fit: told without cutting it into tokens.
  CHECK(contains(shop.run(greedy(shop.model, {"--raw", "-p", std::string(60000, 'x')})).err, "at least"));
  CHECK(contains(shop.run({"chat", shop.model}, std::string(60000, 'x') + "\n").err, "at least"));
}

TEST_CASE("a budget that is too small ends with 4 and says what would do", "[apps]") {
  const Workshop shop;
  REQUIRE(shop.run({"inspect", shop.model}).code == 0);
  for (const char* verb : {"run", "plan", "bench", "chat"}) {
    const Ran ran = shop.run({verb, shop.model, "--memory", "1M"}, "hello");
    INFO(verb << ran.err);
    CHECK(ran.code == 4);
    CHECK(contains(ran.err, "does not fit"));
    if (std::string(verb) != "plan") CHECK(ran.out.empty());
  }
  const Ran plan = shop.run({"plan", shop.model, "--memory", "1M", "--json"});
  CHECK(plan.code == 4);
  CHECK(json_of(plan)["fits"] == false);
  CHECK(json_of(plan)["minimum_bytes"].get<uint64_t>() > 1u << 20);
}

TEST_CASE("the plan adds up and holds", "[apps]") {
  const Workshop shop;
  const Json plan = json_of(shop.run({"plan", shop.model, "--memory", "256M", "--context", "512", "--json"}));
  CHECK(plan["fits"] == true);
  CHECK(plan["budget_bytes"] == 256u << 20);
  uint64_t sum = 0;
  for (const auto& part : plan["parts"].items()) sum += part.value().get<uint64_t>();
  CHECK(plan["planned_bytes"] == sum);
  CHECK(plan["kv_bytes_per_token"].get<uint64_t>() > 0);
  CHECK(plan["predicted"]["decode_tok_s"].get<double>() > 0);
  CHECK(!json_of(shop.run({"plan", shop.model, "--device", "reference", "--json"})).contains("predicted"));
  const Ran table = shop.run({"plan", shop.model, "--memory", "256M"});
  CHECK(table.code == 0);
  CHECK(contains(table.out, "256 MiB"));
  CHECK(contains(table.out, "expected speed"));
  CHECK(contains(table.out, "█"));
}

TEST_CASE("bench reports medians, the machine's limits and its memory", "[apps]") {
  const Workshop shop;
  const Ran ran = shop.run({"bench", shop.model, "-p", "16", "-n", "4", "-r", "2", "-d", "3", "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const Json json = json_of(ran);
  CHECK(json["batch"] == 1);
  CHECK(json["depth"] == 3);
  CHECK(json["prefill"]["tokens"] == 16);
  CHECK(json["prefill"]["tok_s"].get<double>() > 0);
  CHECK(json["decode"]["tokens"] == 4);
  CHECK(json["decode"]["GB_s"].get<double>() > 0);
  CHECK(json["probe"]["read_GB_s"].get<double>() > 0);
  CHECK(json["probe"]["int8_GMAC_s"].get<double>() > 0);
  for (const char* key : {"model", "isa", "threads", "load_s", "memory", "io"}) CHECK(json.contains(key));
  CHECK(contains(shop.run({"bench", shop.model, "-p", "8", "-n", "2", "-r", "1"}).out, "of the memory bandwidth"));
  const Ran beyond = shop.run({"bench", shop.model, "-p", "8", "-d", "600"});
  CHECK(beyond.code == 2);
  CHECK(contains(beyond.err, "--context"));
}

TEST_CASE("a model agrees with itself, and its perplexity is that of its own predictions", "[apps]") {
  const Workshop shop;
  const std::string text = shop.file("text.txt", "hello world, the world is in the other hand. hello again and again.");
  const Json self =
      json_of(shop.run({"eval", shop.model, "--against", shop.model, "--text", text, "--context", "32", "--json"}));
  CHECK(self["top1_agreement"] == 1);
  CHECK(self["kl_max"].get<double>() < 1e-6);
  CHECK(self["positions"].get<int>() > 20);
  const Json score = json_of(shop.run({"eval", shop.model, "--text", text, "--context", "32", "--json"}));
  CHECK(score["tokens"] == self["positions"]);
  CHECK(std::fabs(std::log(score["perplexity"].get<double>()) - score["nll_mean"].get<double>()) < 1e-6);
  CHECK(shop.run({"eval", shop.model, "--text", shop.file("none.txt", "")}).code == 2);
}

TEST_CASE("eval --reference compares the generated positions and refuses what is no reference", "[apps]") {
  const Workshop shop;
  const Json run = json_of(shop.run(greedy(shop.model, {"--raw", "-p", "hello world", "--json"})));
  Json top = Json::array();
  for (const Json& token : run["tokens"]) top.push_back({{token, -0.1}, {token == 5 ? 6 : 5, -3.0}});
  Json file = {
      {"cases", {{{"id", "one"}, {"prompt_tokens", run["prompt_tokens"]}, {"tokens", run["tokens"]}, {"top", top}}}}};
  const Ran ran = shop.run({"eval", shop.model, "--reference", shop.file("r.json", file.dump()), "--json"});
  INFO(ran.err);
  const Json json = json_of(ran);
  CHECK(json["cases"] == 1);
  CHECK(json["positions"] == run["tokens"].size());
  CHECK(json["top1_agreement"] == 1);
  CHECK(json["kl_mean"].get<double>() > 0);
  CHECK(contains(shop.run({"eval", shop.model, "--reference", shop / "r.json"}).out, "one"));

  Json shorter = file, foreign = file, certain = file, twice = file, whole = file;
  certain["cases"][0]["top"][0] = {{7, 1e308}};
  twice["cases"][0]["top"][0] = {{7, -1.0}, {7, -1.0}};
  whole["cases"][0]["top"][0] = {{7, -0.1}, {8, -0.2}};
  shorter["cases"][0]["top"].erase(0);
  foreign["cases"][0]["tokens"][0] = 1u << 30;
  for (const Json& bad : {shorter, foreign, certain, twice, whole, Json({{"cases", Json::array()}}), Json(7), Json({{"cases", {1}}})}) {
    const Ran refused = shop.run({"eval", shop.model, "--reference", shop.file("bad.json", bad.dump()), "--json"});
    CHECK(refused.code == 2);
    CHECK(refused.out.empty());
    CHECK(contains(refused.err, "bad.json"));
  }
}

TEST_CASE("an interrupt ends with 130 and leaves nothing", "[apps]") {
  const Workshop shop;
  REQUIRE(shop.run({"inspect", shop.model}).code == 0);
  Setting s = shop.setting();
  s.watch = [](const std::string&, const std::string&) { return SIGINT; };
  const Ran bench = run_sluice({"bench", shop.model, "-n", "256", "-r", "1000", "--json"}, s);
  CHECK(bench.code == 130);
  CHECK(bench.out.empty());
  s.keep_input_open = true;
  const Ran waiting = run_sluice({"run", shop.model}, s);
  CHECK(waiting.code == 130);
  CHECK(waiting.out.empty());
  const Ran chat = run_sluice({"chat", shop.model}, s);
  CHECK(chat.code == 130);
  s.watch = [](const std::string&, const std::string&) { return SIGTERM; };
  CHECK(run_sluice({"run", shop.model}, s).code == 143);
  const std::string name = json_of(shop.run({"list", "--json"}))["models"][0]["name"];
  CHECK(shop.run({"rm", name}).code == 0);  // no lock stayed
}

TEST_CASE("an interrupt ends the cutting of a large text", "[apps]") {
  const Workshop shop;
  REQUIRE(shop.run({"inspect", shop.model}).code == 0);
  std::string text;
  while (text.size() < 40u << 20) text += "hello the world " + std::to_string(text.size());
  shop.file("large.txt", text);
  Setting s = shop.setting();
  s.watch = [](const std::string&, const std::string&) { return SIGINT; };
  const Ran tokenize = run_sluice({"tokenize", shop.model, "-f", shop / "large.txt"}, s);
  CHECK(tokenize.code == 130);
  CHECK(tokenize.out.empty());
  CHECK(run_sluice({"eval", shop.model, "--text", shop / "large.txt"}, s).code == 130);
}

TEST_CASE("chat answers line by line without a terminal and carries out commands", "[apps]") {
  const Workshop shop;
  const std::string saved = shop / "talk.json";
  const Ran ran = shop.run({"chat", shop.model, "--temp", "0", "-n", "8", "--system", "is"},
                           "/help\nhello\nthe \\\nworld\n/save " + saved +
                               "\n/stats\n/clear\n/set temp 0.5\n/set temp hot\n/set stop x\n/set stop\n/set n\n/set\n/nonsense\n/exit\nnot read\n");
  INFO(ran.err);
  CHECK(ran.code == 0);
  for (const char* part : {"/clear", "saved 5 messages", "tok/s", "budget", "a new conversation", "temp is 0.5",
                           "'hot' is not a number", "stop is what it usually is", "to the end of the context", "no command /nonsense"}) {
    INFO(part);
    CHECK(contains(ran.err, part));
  }
  CHECK(ran.out.find("> ") == std::string::npos);
  const Json talk = Json::parse(shop.read("talk.json"), nullptr, false);
  REQUIRE(talk["messages"].size() == 5);
  CHECK(talk["messages"][0]["content"] == "is");
  CHECK(talk["messages"][3]["content"] == "the \nworld");
  CHECK(ran.out == talk["messages"][2]["content"].get<std::string>() + "\n" +
                       talk["messages"][4]["content"].get<std::string>() + "\n");

  // A loaded conversation goes on exactly where the saved one stood.
  const Ran on =
      shop.run({"chat", shop.model, "--temp", "0", "-n", "8"}, "/load " + saved + "\nin\n/save " + saved + "2\n");
  CHECK(contains(on.err, "loaded 5 messages"));
  const Ran whole =
      shop.run({"chat", shop.model, "--temp", "0", "-n", "8", "--system", "is"}, "hello\nthe \\\nworld\nin\n");
  CHECK(whole.out == ran.out + on.out);
}

TEST_CASE("without a terminal a chat ends at the first message it cannot answer, with numbers", "[apps]") {
  const Workshop shop;
  const std::string long_message(300, 'x');
  const std::vector<std::string> words = {"chat", shop.model, "--temp", "0", "--context", "128", "-n", "4"};
  const Ran ran = shop.run(words, "hello\n" + long_message + "\nhello\n" + long_message + "\n");
  INFO(ran.err);
  CHECK(ran.code == 2);
  CHECK(contains(ran.err, "does not fit the context of 128 tokens"));
  CHECK(contains(ran.err, "/clear"));
  CHECK(ran.err.find("does not fit") == ran.err.rfind("does not fit"));
  CHECK(ran.out == shop.run(words, "hello\n").out);
  const Ran endless = shop.run(words, std::string(17u << 20, 'x'));
  CHECK(endless.code == 2);
  CHECK(contains(endless.err, "16.0 MiB"));
}

TEST_CASE("a model without a chat template continues text in run and is refused by chat", "[apps]") {
  test::ToyOptions toy;
  toy.architecture = "gemma3";
  toy.chat_template = "";
  toy.tokenizer = "llama";
  const Workshop shop(toy);
  const Json facts = json_of(shop.run({"inspect", shop.model, "--json", "--quiet"}));
  if (facts["chat_template"] != "") return;  // the converter knows one that fits
  const Json plain = json_of(shop.run(greedy(shop.model, {"-p", "hello", "--json"})));
  const Json raw = json_of(shop.run(greedy(shop.model, {"-p", "hello", "--json", "--raw"})));
  CHECK(plain["tokens"] == raw["tokens"]);
  CHECK(shop.run({"chat", shop.model}, "hello\n").code == 2);
}

}  // namespace sluice
