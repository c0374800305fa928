// SPDX-License-Identifier: Apache-2.0
// The C door: models, their description, verification and weights; version, log and texts.
#include <cstdlib>

#include "base/log.h"
#include "base/source.h"
#include "runtime/door/handles.h"
#include "runtime/model/dequantize.h"
#include "runtime/model/describe.h"

using namespace sluice;
using namespace sluice::door;

namespace {

Status open_model(std::shared_ptr<const ByteSource> source, sluice_model** model) {
  SLUICE_TRY(std::shared_ptr<const Model> opened, Model::open(std::move(source)));
  const fb::Header& header = opened->header();
  log(LogLevel::kInfo, "%s: opened, %llu parameters, %llu bytes", opened->name().c_str(),
      (unsigned long long)(header.n_parameters()), (unsigned long long)(header.file_bytes()));
  *model = new sluice_model{std::move(opened)};
  return {};
}

}  // namespace

const char* sluice_version(void) { return "0.1.0"; }

void sluice_text_free(sluice_text* text) {
  if (text == nullptr) return;
  std::free(text->data);
  *text = {};
}

void sluice_set_log(void (*sink)(void* user, sluice_log_level level, const char* text), void* user,
                    sluice_log_level most_verbose) {
  static_assert(int(LogLevel::kDebug) == int(SLUICE_LOG_DEBUG));
  static void (*current)(void*, sluice_log_level, const char*);
  current = sink;
  const LogSink forward = [](void* u, LogLevel level, const char* text) { current(u, sluice_log_level(level), text); };
  set_log(sink ? forward : nullptr, user, LogLevel(most_verbose));
}

sluice_status sluice_model_open(const char* path, sluice_model** model, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_model_open", path, model));
    auto file = FileSource::open(path);
    if (!file.ok()) {
      if (file.error().code == Code::kFailed) file.error().code = Code::kBadModel;  // there, but unreadable
      return std::move(file.error());
    }
    return open_model(std::move(*file), model);
  });
}

sluice_status sluice_model_open_source(const sluice_source* source, sluice_model** model, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_model_open_source", source, model));
    SLUICE_TRY(const sluice_source s,
               read_struct("sluice_model_open_source", source, sluice_source SLUICE_SOURCE_INIT));
    if (s.fd >= 0) {
      SLUICE_TRY(InputFile file, InputFile::duplicate(s.fd, s.name ? s.name : "model descriptor"));
      SLUICE_TRY(std::shared_ptr<const FileSource> part, FileSource::part(std::move(file), s.offset, s.length));
      return open_model(std::move(part), model);
    }
    SLUICE_DO(require("sluice_model_open_source: read", s.read));
    const char* name = s.name ? s.name : "model source";
    return open_model(std::make_shared<CallbackSource>(name, s.length, s.read, s.user), model);
  });
}

void sluice_model_close(sluice_model* model) { delete model; }

sluice_status sluice_model_describe(const sluice_model* model, sluice_text* json, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_model_describe", model, json));
    give_text(describe_model(*model->model), json);
    return {};
  });
}

sluice_status sluice_model_verify(const sluice_model* model, sluice_progress_fn progress, void* user,
                                  sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_model_verify", model));
    return verify_model(*model->model, progress_of(progress, user));
  });
}

sluice_status sluice_model_weights(const sluice_model* model, const char* tensor, uint32_t first_row, uint32_t n_rows,
                                   float* out, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_model_weights", model, tensor, out));
    const uint32_t index = model->model->find(std::string_view(tensor));
    if (index == Model::kAbsent) return make_error(Code::kUsage, tensor, kNoOffset, "the model has no such tensor");
    const size_t n = size_t(n_rows) * model->model->tensor(index).cols();
    return read_weights(*model->model, index, first_row, n_rows, {out, n});
  });
}
