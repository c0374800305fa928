// SPDX-License-Identifier: Apache-2.0
// The window against the obvious oracle: the bytes of a piece are those of the file, whatever was asked before.
#include "runtime/weights/weight_stream.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

#include "faulty_source.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

using Path = BulkReader::Path;

struct Window {
  std::shared_ptr<const ByteSource> truth;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const BulkReader> reader;
  std::vector<const std::byte*> pointers;
  Accountant accountant{0};
  std::unique_ptr<WeightStream> stream;

  Window(std::shared_ptr<const ByteSource> source, uint32_t n_slots, uint64_t limit, const std::string& path = "",
         std::chrono::milliseconds patience = std::chrono::minutes(10)) {
    truth = path.empty() ? source : *FileSource::open(path);
    model = *Model::open(source);
    reader = BulkReader::open(source, true);
    pointers.assign(model->header().chunks()->size(), nullptr);
    WeightStream::Config config;
    config.patience = patience;
    config.pieces = stream_pieces(*model, *find_tensors(*model), limit);
    const uint32_t head = head_phase_number(model->config().n_layers());
    for (const StreamPiece& piece : config.pieces) {
      config.slot_bytes = std::max(config.slot_bytes, piece.bytes);
      config.n_body += piece.phase < head;
    }
    config.n_slots = std::max(n_slots, slots_needed(config.pieces));
    auto made = WeightStream::create(model, reader, std::make_shared<ChunkChecks>(model), std::move(config), pointers,
                                     accountant);
    REQUIRE(made.ok());
    stream = std::move(*made);
  }

  // All chunks of the piece are where the pointers say, and those of pieces that were not taken nowhere.
  bool holds(uint32_t index) const {
    const StreamPiece& piece = stream->pieces()[index];
    for (uint32_t c = piece.first_chunk; c < piece.first_chunk + piece.n_chunks; ++c) {
      const fb::Chunk& chunk = *model->header().chunks()->Get(c);
      std::vector<std::byte> expected(chunk.bytes());
      if (!truth->read_at(chunk.offset(), expected).ok()) return false;
      if (!pointers[c] || std::memcmp(pointers[c], expected.data(), expected.size()) != 0) return false;
    }
    return true;
  }
  size_t n_published() const { return pointers.size() - size_t(std::count(pointers.begin(), pointers.end(), nullptr)); }
};

std::string toy_path(const TemporaryFolder& folder) {
  ToyOptions options;
  options.n_layers = 5;
  return make_toy(folder, options);
}

std::shared_ptr<const ByteSource> file_of(const std::string& path) { return *FileSource::open(path); }

}  // namespace

TEST_CASE("pieces come in cyclic order with the bytes of the file, in any window", "[runtime][stream]") {
  TemporaryFolder folder;
  const auto file = file_of(toy_path(folder));
  for (uint32_t n_slots : {2u, 3u, 6u, 8u})
    for (uint64_t limit : {uint64_t{1}, uint64_t{16} << 10, uint64_t{2} << 20}) {
      CAPTURE(n_slots, limit);
      Window w(file, n_slots, limit);
      const uint32_t n = uint32_t(w.stream->pieces().size());
      for (uint32_t i = 0; i < 3 * n; ++i) {
        REQUIRE(w.stream->take(i % n).ok());
        if (!w.holds(i % n)) FAIL("piece " << i % n << " is not that of the file");
        CHECK(w.n_published() == w.stream->pieces()[i % n].n_chunks);
        w.stream->release();
      }
      CHECK(w.n_published() == 0);
      CHECK(w.accountant.used() == block_bytes(w.stream->n_slots() * [&] {
              uint64_t largest = 0;
              for (const StreamPiece& p : w.stream->pieces()) largest = std::max(largest, p.bytes);
              return largest;
            }()));
    }
}

TEST_CASE("whatever piece is asked for comes, and several can be held", "[runtime][stream]") {
  TemporaryFolder folder;
  const std::string path = toy_path(folder);
  FaultySource callback(path);
  auto bytes = read_small_file(path, 64 << 20);
  REQUIRE(bytes.ok());
  const std::string package = "x" + *bytes;
  REQUIRE(write_small_file(folder / "package", std::as_bytes(std::span(package.data(), package.size()))).ok());
  auto inside = FileSource::part(InputFile::open(folder / "package").value(), 1, bytes->size());
  REQUIRE(inside.ok());
  const std::shared_ptr<const ByteSource> sources[] = {file_of(path), *inside, callback.source};
  for (const auto& source : sources) {
    Window w(source, 5, 1);
    CAPTURE(BulkReader::path_name(w.reader->path()));
    const uint32_t n = uint32_t(w.stream->pieces().size()), head = head_phase_number(w.model->config().n_layers());
    std::mt19937 random(7);
    for (int run = 0; run < 200; ++run) {
      // A run of consecutive pieces from anywhere, in the order of a step or not, up to three held at once.
      w.stream->begin_step(random() % 2 == 0);
      uint32_t piece = random() % n, held = piece;
      for (uint32_t left = random() % 12; left > 0 && piece < n; --left, ++piece) {
        if (w.stream->pieces()[piece].phase == head)  // a guess that was wrong ends what is taken
          for (; held < piece; ++held) w.stream->release();
        if (w.stream->ready(piece) == 0 && random() % 3 == 0) std::this_thread::yield();
        REQUIRE(w.stream->take(piece).ok());
        for (uint32_t p = held; p <= piece; ++p)
          if (!w.holds(p)) FAIL("piece " << p << " is not that of the file");
        for (; held <= piece && (piece - held == 2 || random() % 2); ++held) w.stream->release();
      }
      if (random() % 2)  // else the next run begins with pieces still taken, as after a cancelled step
        for (; held < piece; ++held) w.stream->release();
    }
  }
  CHECK(Window(sources[0], 2, 1).reader->path() != Path::kCallback);
  CHECK(Window(sources[1], 2, 1).reader->path() == Path::kDropped);  // not on a page's border
  CHECK(Window(sources[2], 2, 1).reader->path() == Path::kCallback);
}

TEST_CASE("the head is read ahead only where it is expected, and comes also where it is not", "[runtime][stream]") {
  TemporaryFolder folder;
  Window w(file_of(toy_path(folder)), 3, 1);
  const uint32_t head = head_phase_number(w.model->config().n_layers());
  uint32_t n_body = 0;
  const uint32_t n = uint32_t(w.stream->pieces().size());
  uint64_t body_bytes = 0, all_bytes = 0;
  for (const StreamPiece& p : w.stream->pieces()) {
    n_body += p.phase < head, body_bytes += p.phase < head ? p.bytes : 0, all_bytes += p.bytes;
  }
  REQUIRE(n_body < n);
  const auto walk = [&](uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; ++i) {
      REQUIRE(w.stream->take(i).ok());
      REQUIRE(w.holds(i));
      w.stream->release();
    }
  };
  w.stream->begin_step(false);
  for (int step = 0; step < 20; ++step) walk(0, n_body);
  CHECK(w.stream->bytes_read() <= 22 * body_bytes);  // nothing was read in vain
  w.stream->begin_step(true);
  const uint64_t before = w.stream->bytes_read();
  for (int step = 0; step < 20; ++step) walk(0, n);
  CHECK(w.stream->bytes_read() - before <= 22 * all_bytes);
  w.stream->begin_step(false);
  walk(0, n);       // a wrong guess
  walk(n_body, n);  // logits once more
  walk(n_body, n);
}

TEST_CASE("a read ahead that failed before a step is tried again and costs nothing of what is taken",
          "[runtime][stream]") {
  TemporaryFolder folder;
  const std::string path = toy_path(folder);
  for (int run = 0; run < 60; ++run) {
    FaultySource faulty(path);
    Window w(faulty.source, 4, 1, path);
    const uint32_t n_slots = w.stream->n_slots();
    for (uint32_t i = 0; i < n_slots; ++i) REQUIRE(w.stream->take(i).ok());  // nothing more is read ahead
    faulty.fail_at(run % 3, FaultySource::Fault::kFail, 1000000);
    w.stream->begin_step(true);
    while (faulty.n_injected == 0) std::this_thread::yield();
    faulty.heal();
    Status status;
    int n_tries = 0;
    do {  // the first may still see the failure
      w.stream->begin_step(true);
      for (uint32_t i = n_slots; i < n_slots + 3; ++i)
        if (status = w.stream->take(i); !status.ok()) break;
    } while (!status.ok() && ++n_tries < 3);
    REQUIRE(status.ok());
    for (uint32_t i = n_slots; i < n_slots + 3; ++i) CHECK(w.holds(i));
  }
}

TEST_CASE("a read that fails and a flipped bit end one take, and the next is right", "[runtime][stream]") {
  TemporaryFolder folder;
  const std::string path = toy_path(folder);
  for (const auto kind : {FaultySource::Fault::kFail, FaultySource::Fault::kFlip})
    for (int64_t at = 0; at < 24; at += 5) {
      FaultySource faulty(path);
      Window w(faulty.source, 4, 1, path);
      const uint32_t n = uint32_t(w.stream->pieces().size());
      // A fresh window, so that every hash is still unchecked; what was read ahead meanwhile is discarded by the seek.
      REQUIRE(w.stream->take(n - 1).ok());
      w.stream->release();
      faulty.fail_at(at, kind, 1000000);
      uint32_t i = 0;
      Status status;
      w.stream->begin_step(true);
      for (; i < n; ++i) {
        status = w.stream->take(i);
        if (!status.ok()) break;
        if (kind == FaultySource::Fault::kFail) REQUIRE(w.holds(i));  // flips in what was checked before go unseen
        w.stream->release();
      }
      REQUIRE(!status.ok());
      CHECK(status.error().code == (kind == FaultySource::Fault::kFail ? Code::kFailed : Code::kBadModel));
      CHECK(status.error().offset != kNoOffset);
      CHECK(w.n_published() == 0);
      faulty.heal();
      w.stream->begin_step(true);
      for (i = 0; i < n; ++i) {
        REQUIRE(w.stream->take(i).ok());
        REQUIRE(w.holds(i));
        w.stream->release();
      }
    }
}

TEST_CASE("a disk that does not answer ends a take with an error, and once it answers again all is right",
          "[runtime][stream]") {
  TemporaryFolder folder;
  const std::string path = toy_path(folder);
  FaultySource faulty(path);
  Window w(faulty.source, 3, 1, path, std::chrono::milliseconds(20));
  const uint32_t n = uint32_t(w.stream->pieces().size());
  const auto take = [&](uint32_t piece) {  // a busy machine may be slower than that, too
    Status status = w.stream->take(piece);
    for (int i = 0; i < 2000 && !status.ok(); ++i) status = w.stream->take(piece);
    return status;
  };
  for (uint32_t from : {0u, 2u, n - 1}) {
    REQUIRE(take(from).ok());
    faulty.block(true);
    w.stream->release();
    w.stream->begin_step(true);
    Status status;
    for (uint32_t i = 0; i < n && status.ok(); ++i) {
      status = w.stream->take(i);
      if (status.ok()) w.stream->release();
    }
    REQUIRE(!status.ok());
    CHECK(status.error().code == Code::kFailed);
    CHECK(status.error().message.find("0.02 seconds") != std::string::npos);
    CHECK(status.error().offset != kNoOffset);
    w.stream->begin_step(true);
    CHECK(!w.stream->take(n / 2).ok());  // still not
    faulty.block(false);
    w.stream->begin_step(true);
    for (uint32_t i = 0; i < n; ++i) {
      REQUIRE(take(i).ok());
      REQUIRE(w.holds(i));
      w.stream->release();
    }
  }
}

TEST_CASE("what was read ahead is read again when it is to be forgotten", "[runtime][stream]") {
  TemporaryFolder folder;
  const std::string path = toy_path(folder);
  FaultySource faulty(path);
  Window w(faulty.source, 4, 1, path);
  REQUIRE(w.stream->take(0).ok());
  w.stream->forget();
  CHECK(w.n_published() == 0);
  CHECK(w.stream->ready(1) == 0);
  const int64_t before = faulty.n_reads;
  REQUIRE(w.stream->take(1).ok());
  CHECK(w.holds(1));
  CHECK(faulty.n_reads > before);
}

TEST_CASE("a window that is closed while its readers read ends when they are done", "[runtime][stream]") {
  TemporaryFolder folder;
  const std::string path = toy_path(folder);
  FaultySource faulty(path);
  for (int i = 0; i < 5; ++i) {
    auto w = std::make_unique<Window>(faulty.source, 3, 1);
    REQUIRE(w->stream->take(0).ok());
    faulty.block(true);
    w->stream->release();
    if (i % 2 == 0) faulty.wait_for_reader();
    std::thread closer([&] { w.reset(); });
    faulty.block(false);
    closer.join();
  }
}

}  // namespace sluice::test
