// SPDX-License-Identifier: Apache-2.0
// What is kept of a model's speed, read back, learned and, where it is not to be trusted, ignored; and its picture.
#include "speed.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "curve.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {
namespace {

struct Kept {
  TemporaryFolder folder;
  Kept() { setenv("XDG_CACHE_HOME", folder.path().c_str(), 1); }
  ~Kept() { unsetenv("XDG_CACHE_HOME"); }

  std::string file() const {
    std::string found;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "sluice/speed")) {
      CHECK(found.empty());
      found = entry.path();
    }
    return found;
  }
  std::string text() const {
    std::ostringstream text;
    text << std::ifstream(file()).rdbuf();
    return text.str();
  }
  void write(const std::string& text) const { std::ofstream(file()) << text; }
  void replace(const std::string& a, const std::string& b) const {
    std::string all = text();
    REQUIRE(all.find(a) != std::string::npos);
    write(all.replace(all.find(a), a.size(), b));
  }
};

SpeedKey some_key() {
  SpeedKey key;
  key.model_hash = "0123456789abcdef", key.device = "cpu", key.isa = "avx2", key.cpu = "some CPU", key.kernel = "6.1";
  key.threads = 2, key.disk = 77;
  return key;
}

sluice_speed some_speed() {
  sluice_speed speed = SLUICE_SPEED_INIT;
  speed.token_s = 0.02, speed.context_GB_s = 8, speed.disk_GB_s = 1.5;
  return speed;
}

bool knows_nothing(const KnownSpeed& known) { return known.speed.token_s == 0 && known.speed.disk_GB_s == 0; }

}  // namespace

TEST_CASE("a probe is recalled on the same machine and by nobody else", "[apps][speed]") {
  const Kept kept;
  CHECK(knows_nothing(recall_speed(some_key())));
  keep_probe(some_key(), some_speed());
  const KnownSpeed known = recall_speed(some_key());
  CHECK(known.speed.token_s == 0.02);
  CHECK(known.speed.context_GB_s == 8);
  CHECK(known.speed.disk_GB_s == 1.5);
  CHECK(!known.token_from_run);
  for (int i = 0; i < 6; ++i) {
    SpeedKey other = some_key();
    if (i == 0) other.model_hash[3] = 'f';
    if (i == 1) other.isa = "scalar";
    if (i == 2) other.threads = 4;
    if (i == 3) other.cpu = "another CPU";
    if (i == 4) other.kernel = "6.2";
    if (i == 5) other.disk = 78;
    CAPTURE(i);
    CHECK(knows_nothing(recall_speed(other)));
  }
  CHECK(recall_speed(some_key()).speed.token_s == 0.02);
}

TEST_CASE("a probe is believed for a day, what runs reached for longer", "[apps][speed]") {
  const Kept kept;
  keep_probe(some_key(), some_speed());
  keep_run(some_key(), {1000, 30, 0, 0, 0});
  const Json file = Json::parse(kept.text());
  const auto at = [&](int64_t age) {
    Json aged = file;
    aged["probe"]["time"] = aged["probe"]["time"].get<int64_t>() - age;
    kept.write(aged.dump());
    return recall_speed(some_key());
  };
  CHECK(at(3600).speed.disk_GB_s == 1.5);
  CHECK(at(25 * 3600).speed.disk_GB_s == 0);
  CHECK(at(-25 * 3600).speed.disk_GB_s == 0);  // the clock was turned back
  CHECK(at(25 * 3600).speed.token_s == 0.03);
  CHECK(at(25 * 3600).token_from_run);
}

TEST_CASE("files that are damaged or make no sense are ignored and written anew", "[apps][speed]") {
  const Kept kept;
  const std::vector<std::string> numbers = {"-1",    "0",    "1e300",     "1e999",    "null",
                                            "\"x\"", "true", "[0.5,0.5]", "{\"a\":1}"};
  for (const std::string& number : numbers) {
    keep_probe(some_key(), some_speed());
    kept.replace("\"token_s\":0.02", "\"token_s\":" + number);
    CAPTURE(number);
    CHECK(recall_speed(some_key()).speed.token_s == 0);
  }
  const std::string deep = std::string(100000, '[');
  const std::vector<std::string> files = {
      "", "{", "[]", "7", "null", deep, "{\"version\":1}", std::string(70000, ' ') + "{}"};
  for (const std::string& text : files) {
    keep_probe(some_key(), some_speed());
    kept.write(text);
    CAPTURE(text.substr(0, 20));
    CHECK(knows_nothing(recall_speed(some_key())));
  }
  for (const char* part : {"7", "[]", "\"x\"", "null"}) {
    keep_probe(some_key(), some_speed());
    Json file = Json::parse(kept.text());
    file["run"] = Json::parse(part), file["probe"] = Json::parse(part);
    kept.write(file.dump());
    CHECK(knows_nothing(recall_speed(some_key())));
    keep_run(some_key(), {1000, 30, 0, 0, 0});
    CHECK(recall_speed(some_key()).speed.token_s == 0.03);
  }
  keep_probe(some_key(), some_speed());
  kept.replace("\"version\":1", "\"version\":2");
  CHECK(knows_nothing(recall_speed(some_key())));
}

TEST_CASE("a run tells the speed of what set its pace, and nothing else", "[apps][speed]") {
  const sluice_speed known = some_speed();
  // Resident: the context's share is taken off.
  CHECK(learned_from({100, 3, 80000000, 0, 0}, known).token_s == Approx(0.02));
  CHECK(learned_from({100, 3, 0, 0, 0}, known).disk_GB_s == 0);
  // Streamed, far slower than computing: the disk, beside which half of computing was hidden.
  CHECK(learned_from({100, 51, 0, 400000000, 0}, known).disk_GB_s == Approx(0.8));
  CHECK(learned_from({100, 50, 0, 400000000, 0}, known).token_s == 0);
  // Streamed, as fast as computing: neither.
  CHECK(learned_from({100, 2.1, 0, 400000, 0}, known).disk_GB_s == 0);
  CHECK(learned_from({100, 2.1, 0, 400000, 0}, known).token_s == 0);
  // A limit that was reached tells nothing of the disk, one that was not does.
  CHECK(learned_from({100, 50, 0, 400000000, 800000000}, known).disk_GB_s == 0);
  CHECK(learned_from({100, 51, 0, 400000000, 1600000000}, known).disk_GB_s == Approx(0.8));
  // Without knowing how long computing takes, nobody knows what set the pace.
  CHECK(learned_from({100, 50, 0, 400000000, 0}, SLUICE_SPEED_INIT).disk_GB_s == 0);
  for (const Reached& none :
       {Reached{0, 1}, Reached{100, 0}, Reached{100, -1}, Reached{100, std::numeric_limits<double>::quiet_NaN()},
        Reached{100, std::numeric_limits<double>::infinity()}})
    CHECK(learned_from(none, known).token_s == 0);
}

TEST_CASE("long runs replace what was known, short ones move it, the shortest say nothing", "[apps][speed]") {
  const Kept kept;
  keep_run(some_key(), {kLeastTokens - 1, 1, 0, 0, 0});
  CHECK(knows_nothing(recall_speed(some_key())));
  keep_run(some_key(), {100, 2, 0, 0, 0});
  CHECK(recall_speed(some_key()).speed.token_s == 0.02);
  keep_run(some_key(), {kLeastTokens, double(kLeastTokens) * 0.04, 0, 0, 0});
  const double moved = recall_speed(some_key()).speed.token_s;
  CHECK(moved > 0.029);
  CHECK(moved < 0.031);
  keep_run(some_key(), {100000, 5000, 0, 0, 0});
  CHECK(recall_speed(some_key()).speed.token_s > 0.0499);
  keep_probe(some_key(), some_speed());  // a probe does not overrule them
  CHECK(recall_speed(some_key()).speed.token_s > 0.0499);
}

TEST_CASE("a cache that cannot be written is no failure", "[apps][speed]") {
  const Kept kept;
  std::ofstream(kept.folder / "sluice") << "in the way";
  keep_probe(some_key(), some_speed());
  keep_run(some_key(), {100, 2, 0, 0, 0});
  CHECK(knows_nothing(recall_speed(some_key())));
}

TEST_CASE("the picture of a curve has its marks, safe text and only finite numbers", "[apps][speed]") {
  CurveLooks looks;
  looks.title = "A <b>&\"model\"\x1b[31m", looks.subtitle = "avx2, 2 threads";
  looks.minimum_bytes = 64 << 20, looks.resident_bytes = 200 << 20, looks.budget_bytes = 128 << 20;
  const std::vector<CurvePoint> curve = {
      {64 << 20, 0.4, 150 << 20}, {128 << 20, 1.25, 80 << 20}, {200 << 20, 30, 0}, {225 << 20, 30, 0}};
  const std::string svg = curve_svg(curve, looks);
  const auto has = [&](const char* part) { return svg.find(part) != std::string::npos; };
  CHECK(svg.rfind("<svg ", 0) == 0);
  CHECK(svg.find("</svg>\n") == svg.size() - 7);
  CHECK(has("A &lt;b&gt;&amp;&quot;model&quot;"));
  CHECK(!has("<b>"));
  CHECK(!has("\x1b"));
  CHECK(has("the least: 64.0 MiB"));
  CHECK(has("all in memory: 200 MiB"));
  CHECK(has("128 MiB: 1.25"));
  CHECK(has("prefers-color-scheme:dark"));
  CHECK(!has("nan"));
  CHECK(!has("inf"));
  // A budget that is no point of the curve has no mark; one point less than two has no slope, but a picture.
  looks.budget_bytes = 1;
  CHECK(curve_svg(curve, looks).find("class=\"dot\"") == std::string::npos);
  const std::vector<CurvePoint> flat = {{64 << 20, 1e-6, 1}, {64 << 20, 1e-6, 1}};
  CHECK(curve_svg(flat, looks).find("nan") == std::string::npos);
}

}  // namespace sluice
