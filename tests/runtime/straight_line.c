/* SPDX-License-Identifier: Apache-2.0 */
/* The public header is C11, and the straight line runs from C: model, plan, engine, session, tokens. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sluice/sluice.h"

int make_toy_model(const char* gguf, const char* slm);

static int count_token(int* n) { return ++*n; }
static bool on_token(void* user, int32_t token, const char* text, size_t length, const sluice_logprobs* logprobs) {
  (void)token, (void)text, (void)length;
  return logprobs == NULL && count_token(user) > 0;
}

int main(void) {
  char folder[] = "/tmp/sluice-c-XXXXXX", gguf[64], slm[64];
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(gguf, sizeof gguf, "%s/toy.gguf", folder);
  snprintf(slm, sizeof slm, "%s/toy.slm", folder);
  sluice_error error = SLUICE_ERROR_INIT;
  sluice_model* model = NULL;
  sluice_plan* plan = NULL;
  sluice_engine* engine = NULL;
  sluice_session* session = NULL;
  int32_t prompt[16];
  int n_calls = 0;
  sluice_request request = SLUICE_REQUEST_INIT;
  sluice_result result = SLUICE_RESULT_INIT;
  request.prompt = prompt;
  request.max_tokens = 5;
  request.ignore_end = true;
  request.on_token = on_token;
  request.user = &n_calls;
  const bool ok = make_toy_model(gguf, slm) == 0 && sluice_model_open(slm, &model, &error) == SLUICE_OK &&
                  sluice_tokenize(model, "hello world", 11, 0, prompt, 16, &request.n_prompt, &error) == SLUICE_OK &&
                  sluice_plan_make(model, NULL, &plan, &error) == SLUICE_OK && sluice_plan_fits(plan) &&
                  sluice_engine_create(model, plan, NULL, NULL, &engine, &error) == SLUICE_OK &&
                  sluice_session_create(engine, &session, &error) == SLUICE_OK &&
                  sluice_generate(session, &request, &result, &error) == SLUICE_OK;
  sluice_session_close(session);
  sluice_engine_close(engine);
  sluice_plan_close(plan);
  sluice_model_close(model);
  remove(gguf);
  remove(slm);
  rmdir(folder);
  if (!ok) fprintf(stderr, "%s: %s\n", error.place, error.message);
  return ok && result.n_generated == 5 && n_calls == 5 && result.finish == SLUICE_FINISH_LENGTH ? 0 : 1;
}
