// SPDX-License-Identifier: Apache-2.0
// Conversion, the cache, and looking inside models, through the real program on toy models.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "workshop.h"

namespace sluice {

TEST_CASE("convert writes one file and reports it", "[apps]") {
  const Workshop shop;
  const Ran ran = shop.run({"convert", shop.model, "-o", shop / "toy.slm", "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const Json json = json_of(ran);
  CHECK(json["architecture"] == "llama");
  CHECK(json["output_bytes"] == std::filesystem::file_size(shop / "toy.slm"));
  CHECK(json["n_tensors"] > 10);
  const Ran plain = shop.run({"convert", shop.model, "-o", shop / "toy2.slm"});
  CHECK(plain.code == 0);
  CHECK(plain.out.empty());
  CHECK(contains(plain.err, "toy2.slm"));
  CHECK(shop.read("toy.slm") == shop.read("toy2.slm"));
  CHECK(shop.files_in("") == std::vector<std::string>{"toy.gguf", "toy.slm", "toy2.slm"});
}

TEST_CASE("a conversion that fails leaves nothing, not even a changed output", "[apps]") {
  const Workshop shop;
  const std::string whole = shop.read("toy.gguf");
  shop.file("cut.gguf", whole.substr(0, whole.size() / 2));
  shop.file("out.slm", "precious");
  const Ran ran = shop.run({"convert", shop / "cut.gguf", "-o", shop / "out.slm"});
  CHECK(ran.code == 3);
  CHECK(contains(ran.err, "cut.gguf"));
  CHECK(shop.read("out.slm") == "precious");
  CHECK(shop.files_in("") == std::vector<std::string>{"cut.gguf", "out.slm", "toy.gguf"});
  CHECK(shop.run({"convert", shop.model, "-o", shop.model}).code == 2);
  CHECK(shop.run({"convert", shop.model, "-o", shop / ""}).code == 2);
  CHECK(shop.run({"convert", shop.model, "-o", shop / "no/folder.slm"}).code == 1);
  CHECK(shop.read("toy.gguf") == whole);
}

TEST_CASE("a device or a FIFO is never replaced by an output, and a link is written through", "[apps]") {
  const Workshop shop;
  REQUIRE(mkfifo((shop / "fifo").c_str(), 0600) == 0);
  const Ran refused = shop.run({"convert", shop.model, "-o", shop / "fifo"});
  CHECK(refused.code == 2);
  CHECK(contains(refused.err, "not a regular file"));
  CHECK(contains(shop.run({"chat", shop.model}, "/save " + shop / "fifo" + "\n").err, "not a regular file"));
  CHECK(std::filesystem::is_fifo(shop / "fifo"));
  for (const char* name : {"link.slm", "link.json"}) std::filesystem::create_symlink(shop / "real", shop / name);
  CHECK(shop.run({"convert", shop.model, "-o", shop / "link.slm"}).code == 0);
  CHECK(shop.run({"inspect", shop / "real"}).code == 0);
  CHECK(contains(shop.run({"chat", shop.model, "--system", "is"}, "/save " + shop / "link.json" + "\n").err, "saved 1"));
  CHECK(contains(shop.read("real"), "\"messages\""));
  CHECK(std::filesystem::is_symlink(shop / "link.slm"));
  CHECK(std::filesystem::is_symlink(shop / "link.json"));
}

TEST_CASE("a file size limit is an error like any other and leaves nothing", "[apps]") {
  const Workshop shop;
  Setting s = shop.setting();
  s.file_limit = 20000;
  const Ran ran = run_sluice({"convert", shop.model, "-o", shop / "out.slm"}, s);
  CHECK(ran.code == 1);
  CHECK(contains(ran.err, "File too large"));
  CHECK(shop.files_in("") == std::vector<std::string>{"toy.gguf"});
}

TEST_CASE("a chat template beyond this version is noticed at conversion, and --raw works", "[apps]") {
  test::ToyOptions toy;
  toy.chat_template = "{% include 'other' %}";
  const Workshop shop(toy);
  const Ran ran = shop.run({"convert", shop.model, "-o", shop / "toy.slm"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK(contains(ran.err, "line 1: the statement {% include %} is not known"));
  CHECK(shop.run({"run", shop / "toy.slm", "-p", "hello", "-n", "2", "--raw"}).code == 0);
  CHECK(shop.run({"run", shop / "toy.slm", "-p", "hello", "-n", "2"}).code == 3);
  CHECK(contains(shop.run({"run", shop.model, "-p", "hello", "-n", "2", "--raw"}).err, "{% include %}"));
}

TEST_CASE("a gguf file is converted once into the cache and used from there by file or name", "[apps]") {
  const Workshop shop;
  const Ran first = shop.run({"inspect", shop.model, "--json"});
  INFO(first.err);
  REQUIRE(first.code == 0);
  CHECK(contains(first.err, "converting"));
  CHECK(json_of(first)["name"] == "Toy llama");
  const Ran second = shop.run({"inspect", shop.model, "--json"});
  CHECK(second.out == first.out);
  CHECK(second.err.empty());

  const Json list = json_of(shop.run({"list", "--json"}));
  REQUIRE(list["models"].size() == 1);
  const std::string name = list["models"][0]["name"];
  CHECK(name.rfind("toy-", 0) == 0);
  CHECK(list["models"][0]["model"] == "Toy llama");
  CHECK(shop.run({"inspect", name, "--json"}).out == first.out);
  CHECK(contains(shop.run({"list"}).out, name));

  // The same bytes under another name are the same model; other bytes are not.
  std::filesystem::rename(shop.model, shop / "renamed.gguf");
  CHECK(shop.run({"inspect", shop / "renamed.gguf", "--json"}).out == first.out);
  CHECK(json_of(shop.run({"list", "--json"}))["models"].size() == 1);
  test::ToyOptions other;
  other.seed = 2;
  test::make_toy_gguf(shop / "renamed.gguf", other);
  CHECK(shop.run({"inspect", shop / "renamed.gguf"}).code == 0);
  CHECK(json_of(shop.run({"list", "--json"}))["models"].size() == 2);
}

TEST_CASE("a damaged copy in the cache is made again", "[apps]") {
  const Workshop shop;
  const Ran first = shop.run({"inspect", shop.model, "--json"});
  REQUIRE(first.code == 0);
  const std::string path = json_of(shop.run({"list", "--json"}))["models"][0]["path"];
  std::ofstream(path, std::ios::trunc) << "rubbish";
  const Ran again = shop.run({"inspect", shop.model, "--json"});
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK(again.out == first.out);
  CHECK(contains(again.err, "converting again"));
}

TEST_CASE("a conversion into the cache that fails leaves nothing there", "[apps]") {
  const Workshop shop;
  const std::string whole = shop.read("toy.gguf");
  shop.file("cut.gguf", whole.substr(0, whole.size() / 2));
  shop.file("bad.gguf", "GGUF and nothing else");
  for (const char* name : {"cut.gguf", "bad.gguf"}) {
    const Ran ran = shop.run({"inspect", shop / name});
    CHECK(ran.code == 3);
    CHECK(contains(ran.err, name));
    CHECK(shop.files_in("cache/sluice/models").empty());
  }
}

TEST_CASE("what an interrupted conversion left is removed by the next one", "[apps]") {
  const Workshop shop;
  REQUIRE(shop.run({"inspect", shop.model}).code == 0);
  const std::string name = json_of(shop.run({"list", "--json"}))["models"][0]["name"];
  const std::string folder = "cache/sluice/models";
  std::filesystem::remove(shop / (folder + "/" + name + ".slm"));
  const std::string half = shop.file(folder + "/.sluice-12345-0.part", "half");
  std::filesystem::last_write_time(half, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  REQUIRE(shop.run({"inspect", shop.model}).code == 0);
  CHECK(shop.files_in(folder) == std::vector<std::string>{name + ".lock", name + ".slm"});
}

TEST_CASE("rm removes exactly the named model and refuses one that is in use", "[apps]") {
  const Workshop shop;
  REQUIRE(shop.run({"inspect", shop.model}).code == 0);
  const std::string name = json_of(shop.run({"list", "--json"}))["models"][0]["name"];
  for (const std::string& wrong : {name.substr(0, name.size() - 1), name + ".slm", std::string("../models/") + name,
                                   std::string("."), std::string("")}) {
    INFO(wrong);
    CHECK(shop.run({"rm", wrong}).code == 3);
  }
  const std::string lock = shop / ("cache/sluice/models/" + name + ".lock");
  const int fd = open(lock.c_str(), O_RDWR);
  REQUIRE(flock(fd, LOCK_SH) == 0);
  const Ran refused = shop.run({"rm", name});
  CHECK(refused.code == 1);
  CHECK(contains(refused.err, "in use"));
  CHECK(shop.run({"inspect", name}).code == 0);  // sharing goes on
  close(fd);
  CHECK(shop.run({"rm", name}).code == 0);
  CHECK(shop.files_in("cache/sluice/models").empty());
  CHECK(shop.run({"rm", name}).code == 3);
  CHECK(shop.run({"list"}).code == 0);
}

TEST_CASE("two programs that want the same model at once convert it once", "[apps]") {
  const Workshop shop;
  Ran other;
  std::thread beside([&] { other = shop.run({"inspect", shop.model, "--json"}); });
  const Ran ran = shop.run({"inspect", shop.model, "--json"});
  beside.join();
  CHECK(ran.code == 0);
  CHECK(other.code == 0);
  CHECK(ran.out == other.out);
  CHECK(shop.files_in("cache/sluice/models").size() == 2);
}

TEST_CASE("a cache that cannot be made ends with 1 and says where", "[apps]") {
  const Workshop shop;
  Setting s = shop.setting();
  shop.file("blocked", "a file, not a folder");
  s.environment["XDG_CACHE_HOME"] = shop / "blocked";
  const Ran blocked = run_sluice({"inspect", shop.model}, s);
  CHECK(blocked.code == 1);
  CHECK(contains(blocked.err, shop / "blocked"));
  s.environment.erase("XDG_CACHE_HOME");
  s.environment.erase("HOME");
  const Ran homeless = run_sluice({"inspect", shop.model}, s);
  CHECK(homeless.code == 1);
  CHECK(contains(homeless.err, "HOME"));
}

TEST_CASE("inspect shows configuration and tensors, and --verify finds one changed byte", "[apps]") {
  const Workshop shop;
  REQUIRE(shop.run({"convert", shop.model, "-o", shop / "toy.slm"}).code == 0);
  const Ran ran = shop.run({"inspect", shop / "toy.slm", "--tensors", "--verify"});
  CHECK(ran.code == 0);
  for (const char* part : {"Toy llama", "d_model", "blk.1.ffn_down.weight", "hashes are right"})
    CHECK(contains(ran.out, part));
  CHECK_FALSE(contains(shop.run({"inspect", shop / "toy.slm"}).out, "blk.1.ffn_down.weight"));
  std::string bytes = shop.read("toy.slm");
  bytes[bytes.size() - 5000] = char(bytes[bytes.size() - 5000] ^ 1);
  shop.file("bad.slm", bytes);
  const Ran bad = shop.run({"inspect", shop / "bad.slm", "--verify", "--json"});
  CHECK(bad.code == 3);
  CHECK(bad.out.empty());
  CHECK(contains(bad.err, "bad.slm"));
  CHECK(shop.run({"run", shop / "bad.slm", "-p", "hello", "--context", "128"}).code == 3);
}

TEST_CASE("tokenize gives the ids and --pieces the text behind them", "[apps]") {
  const Workshop shop;
  const Json json = json_of(shop.run({"tokenize", shop.model, "-p", "hello world<|im_end|>", "--json"}));
  const Json special =
      json_of(shop.run({"tokenize", shop.model, "-p", "hello world<|im_end|>", "--special", "--json"}));
  REQUIRE(special["tokens"].size() == 3);
  CHECK(json["tokens"].size() > 3);
  CHECK(json["tokens"][0] == special["tokens"][0]);
  const Ran plain = shop.run({"tokenize", shop.model, "--special"}, "hello world<|im_end|>");
  CHECK(plain.out == std::to_string(int(special["tokens"][0])) + " " + std::to_string(int(special["tokens"][1])) + " " +
                         std::to_string(int(special["tokens"][2])) + "\n");
  const Ran pieces = shop.run({"tokenize", shop.model, "-f", shop.file("t.txt", "hello world"), "--pieces"});
  CHECK(contains(pieces.out, "\"hello\"\n"));
  CHECK(contains(pieces.out, "\" world\"\n"));
  CHECK(json_of(shop.run({"tokenize", shop.model, "-p", "", "--json"}))["tokens"].empty());
  CHECK(json_of(shop.run({"tokenize", shop.model, "-p", "\xff\xc3", "--json"}))["tokens"].size() > 0);
  CHECK(shop.run({"tokenize", shop.model, "-f", shop / "missing.txt"}).code == 2);
}

TEST_CASE("template writes the prompt byte for byte", "[apps]") {
  const Workshop shop;
  const std::string chat = shop.file("chat.json", R"([{"role":"user","content":"a \"b\"\u00e9"}])");
  CHECK(shop.run({"template", shop.model, "--messages", chat}).out ==
        "<|im_start|>user\na \"b\"\xc3\xa9<|im_end|>\n<|im_start|>assistant\n");
  CHECK(shop.run({"template", shop.model, "--messages", chat, "--no-generation-prompt"}).out ==
        "<|im_start|>user\na \"b\"\xc3\xa9<|im_end|>\n");
  const std::string jinja =
      shop.file("t.jinja", "{{ bos_token }}{{ messages[0].content }}|{{ tools | length }}|{{ extra }}{{ eos_token }}");
  const std::string tools = shop.file("tools.json", R"([{"name":"x"},{"name":"y"}])");
  const std::string more = shop.file("more.json", R"({"messages":[{"role":"user","content":"q"}],"extra":"E"})");
  const Ran ran = shop.run({"template", jinja, "--messages", more, "--tools", tools, "--bos", "<s>", "--eos", "</s>"});
  CHECK(ran.err.empty());
  CHECK(ran.out == "<s>q|2|E</s>");

  shop.file("bad.json", "{");
  shop.file("number.json", "7");
  shop.file("roleless.json", R"([{"content":"x"}])");
  for (const char* bad : {"bad.json", "number.json", "roleless.json", "missing.json"}) {
    const Ran failed = shop.run({"template", shop.model, "--messages", shop / bad});
    INFO(bad << failed.err);
    CHECK(failed.code == 2);
    CHECK(failed.out.empty());
    CHECK(contains(failed.err, bad));
  }
  const auto nested = [](int depth) {
    const size_t inner = size_t(depth - 2);  // the list of messages and the message
    return R"([{"role":"user","content":)" + std::string(inner, '[') + std::string(inner, ']') + "}]";
  };
  const std::string plain = shop.file("plain.jinja", "{{ messages | length }}");
  CHECK(shop.run({"template", plain, "--messages", shop.file("deep.json", nested(96))}).out == "1");
  for (const int depth : {97, 200000}) {
    shop.file("deep.json", nested(depth));
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"template", plain, "--messages", shop / "deep.json"},
          {"template", plain, "--messages", chat, "--tools", shop / "deep.json"},
          {"eval", shop.model, "--reference", shop / "deep.json"}}) {
      const Ran deep = shop.run(words);
      INFO(words[0] << depth << deep.err);
      CHECK(deep.code == 2);
      CHECK(contains(deep.err, "deep.json: nested more than 96 deep"));
    }
  }
  CHECK(contains(shop.run({"chat", shop.model}, "/load " + shop / "deep.json" + "\n").err, "nested more than 96 deep"));

  const Ran raised =
      shop.run({"template", shop.file("r.jinja", "{{ raise_exception('no such role') }}"), "--messages", chat});
  CHECK(raised.code == 2);
  CHECK(contains(raised.err, "no such role"));
}

TEST_CASE("inspect --check tells whether every weight equals its source", "[apps]") {
  const Workshop shop;
  REQUIRE(shop.run({"convert", shop.model, "-o", shop / "toy.slm"}).code == 0);
  const Ran equal = shop.run({"inspect", shop / "toy.slm", "--check", shop.model});
  CHECK(equal.code == 0);
  CHECK(contains(equal.out, "All weights are equal."));
  const Json json = json_of(shop.run({"inspect", shop / "toy.slm", "--check", shop.model, "--json", "--quiet"}));
  CHECK(json["check"]["equal"] == true);
  CHECK(json["check"]["weights"] == json["n_parameters"]);
  CHECK(json["check"]["types"].size() == 2);
  CHECK(json["check"]["first_difference"].is_null());

  test::ToyOptions other;
  other.seed = 2;
  test::make_toy_gguf(shop / "other.gguf", other);
  const Ran differs = shop.run({"inspect", shop / "toy.slm", "--check", shop / "other.gguf"});
  CHECK(differs.code == 1);
  CHECK(contains(differs.out, "first difference: "));
  CHECK(contains(differs.out, "The model differs from its source."));
  const Ran told = shop.run({"inspect", shop / "toy.slm", "--check", shop / "other.gguf", "--json"});
  CHECK(told.code == 1);
  CHECK(json_of(told)["check"]["equal"] == false);
  CHECK(json_of(told)["check"]["first_difference"]["tensor"].is_string());
  CHECK(shop.run({"inspect", shop / "toy.slm", "--check", shop / "missing.gguf"}).code == 3);
  CHECK(shop.run({"inspect", shop / "toy.slm", "--check", shop / "toy.slm"}).code == 3);
}

TEST_CASE("any part of a split model names it, and a changed part makes it another", "[apps]") {
  const Workshop shop;
  const auto write_parts = [&](uint64_t seed) {
    test::ToyOptions toy;
    toy.seed = seed;
    const test::GgufBuilder whole = test::toy_gguf(toy);
    test::GgufBuilder parts[2] = {whole, {}};
    parts[0].tensors.resize(5);
    parts[1].tensors.assign(whole.tensors.begin() + 5, whole.tensors.end());
    for (uint16_t i = 0; i < 2; ++i) {
      parts[i].number("split.no", test::gguf_id::kU16, i).number("split.count", test::gguf_id::kU16, uint16_t{2});
      parts[i].write(shop / ("toy-0000" + std::to_string(i + 1) + "-of-00002.gguf"));
    }
  };
  write_parts(1);
  const std::string first = shop / "toy-00001-of-00002.gguf", second = shop / "toy-00002-of-00002.gguf";
  const Ran ran = shop.run({"inspect", second, "--json", "--quiet"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(shop.run({"inspect", first, "--json", "--quiet"}).out == ran.out);
  CHECK(shop.run({"inspect", first, "--check", shop.model, "--quiet"}).code == 0);
  CHECK(json_of(shop.run({"list", "--json"}))["models"].size() == 1);

  const std::string kept = shop.read("toy-00001-of-00002.gguf");
  const auto time = std::filesystem::last_write_time(first);
  write_parts(2);
  shop.file("toy-00001-of-00002.gguf", kept);
  std::filesystem::last_write_time(first, time);
  CHECK(shop.run({"inspect", first, "--quiet"}).code == 0);
  CHECK(json_of(shop.run({"list", "--json"}))["models"].size() == 2);
  std::filesystem::remove(second);
  const Ran missing = shop.run({"inspect", first});
  CHECK(missing.code == 3);
  CHECK(contains(missing.err, "part 2 of 2"));
}

}  // namespace sluice
