/* SPDX-License-Identifier: Apache-2.0 */
/* The straight line in C: model, plan, engine, session, and a callback for every token. */
#include <sluice/sluice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(sluice_status status, const sluice_error* error) {
  if (status == SLUICE_OK) return;
  fprintf(stderr, "%s: %s\n", error->place, error->message);
  exit(status);
}

static bool print_token(void* user, int32_t token, const char* text, size_t length, const sluice_logprobs* logprobs) {
  (void)user, (void)token, (void)logprobs;
  fwrite(text, 1, length, stdout);
  return fflush(stdout) == 0; /* false would cancel */
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: %s MODEL.slm PROMPT\n", argv[0]), SLUICE_USAGE;
  sluice_error error = SLUICE_ERROR_INIT;

  sluice_model* model = NULL; /* metadata only; weights stay on disk */
  must(sluice_model_open(argv[1], &model, &error), &error);

  sluice_options options = SLUICE_OPTIONS_INIT;
  options.memory_bytes = 400u << 20; /* the budget, for everything */
  options.n_ctx = 2048;
  sluice_plan* plan = NULL; /* every byte before one is allocated */
  must(sluice_plan_make(model, &options, &plan, &error), &error);

  sluice_engine* engine = NULL; /* loads the weights; SLUICE_NO_FIT if the plan does not fit */
  must(sluice_engine_create(model, plan, NULL, NULL, &engine, &error), &error);
  sluice_plan_close(plan);
  sluice_session* session = NULL; /* one conversation */
  must(sluice_session_create(engine, &session, &error), &error);

  int32_t tokens[2048];
  size_t n_tokens = 0;
  must(sluice_tokenize(model, argv[2], strlen(argv[2]), SLUICE_ADD_SPECIAL, tokens, 2048, &n_tokens, &error), &error);

  sluice_request request = SLUICE_REQUEST_INIT;
  request.prompt = tokens;
  request.n_prompt = n_tokens;
  request.max_tokens = 64;
  request.on_token = print_token;
  sluice_result result = SLUICE_RESULT_INIT;
  must(sluice_generate(session, &request, &result, &error), &error);
  printf("\n[%zu tokens in %.2f s]\n", result.n_generated, result.decode_s);

  sluice_session_close(session);
  sluice_engine_close(engine);
  sluice_model_close(model);
  return 0;
}
