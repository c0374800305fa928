/* SPDX-License-Identifier: Apache-2.0 */
/* Sluice: language models inside a memory budget. This header is the whole public door, in C11.
 *
 * The straight line:
 *   sluice_model_open → sluice_plan_make → sluice_engine_create → sluice_session_create → sluice_generate
 *
 * Conventions
 *  1. Objects are opaque; each NAME_create/open/make has one NAME_close. Closing NULL is allowed. An object must be
 *     closed before the one it was made from.
 *  2. Every call that can fail returns a sluice_status and takes, last, a sluice_error* (may be NULL) that the caller
 *     owns. On failure outputs are untouched. Nothing throws or aborts across this door; a failed allocation is
 *     SLUICE_NO_MEMORY.
 *  3. Structs begin with their size in bytes (set it with the NAME_INIT macro): later versions append fields; a zero
 *     field means the default.
 *  4. Texts are UTF-8 with explicit lengths on input; a sluice_text is freed by sluice_text_free.
 *  5. Threads: a model may be used by several threads at once; an engine and its sessions by one call at a time,
 *     except sluice_session_cancel and sluice_trim, which may come from any thread. A second call meanwhile, also one
 *     out of a callback, is SLUICE_USAGE; closing meanwhile is not allowed.
 */
#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

/* The values are also the exit codes of the program. */
typedef enum sluice_status {
  SLUICE_OK = 0,
  SLUICE_FAILED = 1,      /* failure at run time: I/O, disk full, an internal limit */
  SLUICE_USAGE = 2,       /* wrong arguments; for the program also an input text that is missing or malformed */
  SLUICE_BAD_MODEL = 3,   /* missing, unreadable, corrupt or unsupported model */
  SLUICE_NO_FIT = 4,      /* does not fit the memory budget; the message says what would */
  SLUICE_NO_DEVICE = 5,   /* device or instruction set unavailable */
  SLUICE_NETWORK = 6,
  SLUICE_NO_MEMORY = 7,   /* the system refused an allocation */
  SLUICE_CANCELLED = 130
} sluice_status;

typedef struct sluice_error {
  uint32_t size;
  sluice_status status;
  uint64_t offset;     /* byte offset inside `place`, UINT64_MAX if unknown */
  char place[512];     /* file, tensor, key or option; may be empty */
  char message[1024];  /* a sentence: what was expected, what was found */
} sluice_error;
#define SLUICE_ERROR_INIT {sizeof(sluice_error), SLUICE_OK, UINT64_MAX, "", ""}

typedef struct sluice_model sluice_model;
typedef struct sluice_plan sluice_plan;
typedef struct sluice_engine sluice_engine;
typedef struct sluice_session sluice_session;

/* A text the library allocated: `data` has `length` bytes and a NUL after them. */
typedef struct sluice_text {
  char* data;
  size_t length;
} sluice_text;
SLUICE_API void sluice_text_free(sluice_text* text);

SLUICE_API const char* sluice_version(void); /* "0.1.0" */

typedef enum sluice_log_level { SLUICE_LOG_ERROR, SLUICE_LOG_WARNING, SLUICE_LOG_INFO, SLUICE_LOG_DEBUG } sluice_log_level;
/* Where the library's messages go: what a model and an engine were opened with (info), and a warning where weights cannot
 * be read past the page cache. Errors are returned, not logged. Process-wide, before other calls; a NULL sink restores
 * stderr, where only warnings and errors appear unless `most_verbose` asks for more. */
SLUICE_API void sluice_set_log(void (*sink)(void* user, sluice_log_level level, const char* text), void* user,
                               sluice_log_level most_verbose);

/* ---- model: a verified, immutable view of a .slm file; weights stay on disk ------------------------------------- */

SLUICE_API sluice_status sluice_model_open(const char* path, sluice_model** model, sluice_error* error);

/* Bytes from elsewhere: an asset inside a package (descriptor, offset, length), or a callback. */
typedef struct sluice_source {
  uint32_t size;
  int fd;               /* >= 0: used (and not closed) by the model; else `read` is called */
  uint64_t offset;      /* where the .slm file begins in fd */
  uint64_t length;      /* its length */
  const char* name;     /* for messages */
  /* Reads exactly n bytes at `offset` of the .slm file; false on failure. Called from several threads. */
  bool (*read)(void* user, uint64_t offset, void* out, size_t n);
  void* user;
} sluice_source;
#define SLUICE_SOURCE_INIT {sizeof(sluice_source), -1, 0, 0, NULL, NULL, NULL}
SLUICE_API sluice_status sluice_model_open_source(const sluice_source* source, sluice_model** model, sluice_error* error);

SLUICE_API void sluice_model_close(sluice_model* model);

/* JSON: {"name","architecture","source","layout","file_bytes","hash" (of the header, and so
 * of all weights),"n_parameters","vocabulary_only","config":{…},"layers":[…],
 * "formats":[…],"tensors":[{"name","role","layer","format","rows","cols","bytes","access"}…],"extents":[…],"vocab":{…},
 * "chat_template","chat_template_problem" (what of it this version does not know; mostly ""),"sampling":{…}} */
SLUICE_API sluice_status sluice_model_describe(const sluice_model* model, sluice_text* json, sluice_error* error);

/* All that opening leaves out: the hash of every chunk, the order of the vocabulary's look-up table. progress may be
 * NULL; it returns false to cancel. */
typedef bool (*sluice_progress_fn)(void* user, uint64_t done_bytes, uint64_t total_bytes);
SLUICE_API sluice_status sluice_model_verify(const sluice_model* model, sluice_progress_fn progress, void* user,
                                             sluice_error* error);

/* Weights of one tensor by its name in the source, dequantized: row-major float32 [rows][cols] of row range
 * [first_row, first_row + n_rows) into `out` (n_rows * cols floats), in the source's row order. For checks, slow. */
SLUICE_API sluice_status sluice_model_weights(const sluice_model* model, const char* tensor, uint32_t first_row,
                                              uint32_t n_rows, float* out, sluice_error* error);

/* ---- text ------------------------------------------------------------------------------------------------------- */

enum { SLUICE_ADD_SPECIAL = 1, /* BOS/EOS where the model asks for it */
       SLUICE_PARSE_SPECIAL = 2 /* special tokens written in the text become tokens; never for text from others */ };
/* Writes up to `capacity` tokens and the number needed in *n_tokens; SLUICE_FAILED when capacity was too small. */
SLUICE_API sluice_status sluice_tokenize(const sluice_model* model, const char* text, size_t length, uint32_t flags,
                                         int32_t* tokens, size_t capacity, size_t* n_tokens, sluice_error* error);
/* Text of a token list; `special`: control tokens are written out. Bytes that are not UTF-8 come out as U+FFFD. */
SLUICE_API sluice_status sluice_detokenize(const sluice_model* model, const int32_t* tokens, size_t n_tokens, bool special,
                                           sluice_text* text, sluice_error* error);
SLUICE_API bool sluice_token_is_end(const sluice_model* model, int32_t token);

/* request: {"messages":[{"role","content",…}…], "tools":[…]?, "add_generation_prompt":true?, "bos_token"?, "eos_token"?,
 * "template":"…"? (instead of the model's), "chat_template_kwargs":{…}?, more members become variables, as do those of
 * chat_template_kwargs}. The rendered prompt, byte for byte.
 * SLUICE_USAGE for what is not JSON (with the offset), nests more than 100 deep, or has over 262144 values or 64 MiB.
 * model may be NULL when "template" is given. */
SLUICE_API sluice_status sluice_render_chat(const sluice_model* model, const char* request, size_t length, sluice_text* prompt,
                                            sluice_error* error);

/* ---- plan: every byte before one is allocated -------------------------------------------------------------------- */

typedef struct sluice_options {
  uint32_t size;
  int32_t n_threads;         /* 0: what computes well on this machine */
  uint64_t memory_bytes;     /* the budget; 0: what the machine or its cgroup can spare, less a reserve for others */
  uint32_t n_ctx;            /* context; 0: 4096, or the model's if that is smaller */
  uint32_t max_rows;         /* rows of one prefill chunk; 0: what suits the device (cpu: 512) */
  uint32_t max_logit_rows;   /* logits rows computed at a time; 0: 1 */
  const char* device;        /* "auto" (NULL), "cpu", "reference" */
  const char* kv_type;       /* "q8" (NULL) */
  double read_GB_s;          /* of sluice_measure_read, for a prediction of speed; 0: none is made */
  double disk_GB_s;          /* of direct reads of the model's file; 0: none is made where weights are streamed */
  double token_s, context_GB_s; /* with disk_GB_s, those of a sluice_speed: a closer prediction than read_GB_s gives */
  uint64_t io_limit;         /* bytes of weights streamed a second at most, for flash that others need or that grows hot;
                                0: as many as the disk gives */
} sluice_options;
#define SLUICE_OPTIONS_INIT {sizeof(sluice_options), 0, 0, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0}

/* Memory read bandwidth of n_threads (0: what computes well on this machine) in 1e9 bytes/s, measured now: about a
 * tenth of a second and up to 256 MiB, given back. */
SLUICE_API sluice_status sluice_measure_read(int32_t n_threads, double* read_GB_s, sluice_error* error);

/* Always makes a plan when the arguments are right, also for a budget that is too small: see sluice_plan_fits. */
SLUICE_API sluice_status sluice_plan_make(const sluice_model* model, const sluice_options* options, sluice_plan** plan,
                                          sluice_error* error);
SLUICE_API void sluice_plan_close(sluice_plan* plan);
SLUICE_API bool sluice_plan_fits(const sluice_plan* plan);

/* What the speed of a model depends on, whatever the budget: computing a token takes token_s and what its context
 * adds; where weights are streamed, a token takes their bytes over disk_GB_s and half of that time, if that is longer: the
 * other half is hidden behind the disk. */
typedef struct sluice_speed {
  uint32_t size;
  double token_s;      /* seconds to compute one token when its weights are in memory and the context is empty */
  double context_GB_s; /* at which the context is read on top of that, 1e9 bytes/s; 0: it costs nothing that can be measured */
  double disk_GB_s;    /* of the reads that stream weights */
} sluice_speed;
#define SLUICE_SPEED_INIT {sizeof(sluice_speed), 0, 0, 0}
/* Measures it: a short decode on a part of the weights, within the budget of the plan, with its threads and device, and
 * reads of the model's file as streaming makes them. One to two seconds. SLUICE_NO_FIT if the plan does not fit. */
SLUICE_API sluice_status sluice_measure_speed(const sluice_plan* plan, sluice_speed* speed, sluice_error* error);
/* disk_GB_s alone: half a second. */
SLUICE_API sluice_status sluice_measure_disk(const sluice_model* model, double* disk_GB_s, sluice_error* error);

/* {"fits","budget_bytes","budget_from": "option", or "cgroup" or "machine" with "available_bytes", "reserve_bytes" (of them,
 * left to others) and "memory_pressure" (percent of time that somebody waits for memory),"planned_bytes","minimum_bytes","resident_bytes" (the smallest budgets for this context, and for all weights in memory),"parts":{name: bytes…},"streamed_bytes_per_token",
 * "weight_bytes_per_token","kv_bytes_per_token","predicted":{"decode_tok_s","half_full_tok_s" (when half of the context is
 * full),"bound","read_GB_s","disk_GB_s","token_s"} (only with options.token_s or read_GB_s, and disk_GB_s where weights are
 * streamed; "bound": from read_GB_s, at most so many tokens a second, because their bytes must be read),"io_limit" (if there
 * is one),"window":{"slots","slot_bytes"} (through which weights are streamed; no slots: all are resident),"n_ctx",
 * "max_n_ctx" (largest context that fits),"threads","device","isa"} */
SLUICE_API sluice_status sluice_plan_describe(const sluice_plan* plan, sluice_text* json, sluice_error* error);

/* ---- engine and session ------------------------------------------------------------------------------------------ */

/* Loads the weights that stay in memory (hashes checked) and readies the device; the others are streamed, each checked
 * when it is first read: a read that fails or finds damage ends the call it happens in, not the engine. SLUICE_NO_FIT if
 * the plan does not fit. The plan may be closed afterwards. */
SLUICE_API sluice_status sluice_engine_create(const sluice_model* model, const sluice_plan* plan, sluice_progress_fn progress,
                                              void* user, sluice_engine** engine, sluice_error* error);
SLUICE_API void sluice_engine_close(sluice_engine* engine);

/* Another budget from now on, for apps that are asked for memory: weights that no longer fit go back to the system and are
 * streamed from disk; when the budget grows, more of them are read and kept. Sessions, their tokens and every coming token
 * stay the same. From any thread and out of callbacks; a call that computes meanwhile pauses after the phase of a layer,
 * or the token where nothing is streamed yet, and this returns when memory was given back or weights were read.
 * SLUICE_NO_FIT, and nothing changes, when the engine with its context and sessions needs more (the message says how
 * much). SLUICE_FAILED, SLUICE_BAD_MODEL: the new budget holds, but weights could not be read; the next call tries again. */
SLUICE_API sluice_status sluice_trim(sluice_engine* engine, uint64_t memory_bytes, sluice_error* error);

typedef struct sluice_memory {
  uint32_t size;
  uint64_t budget_bytes, planned_bytes; /* the plan */
  uint64_t used_bytes, peak_bytes;      /* the accountant: what this engine holds, has held at most with this budget */
  uint64_t process_peak_bytes;          /* resident peak of the process as the kernel counts it */
} sluice_memory;
#define SLUICE_MEMORY_INIT {sizeof(sluice_memory), 0, 0, 0, 0, 0}
SLUICE_API void sluice_engine_memory(const sluice_engine* engine, sluice_memory* memory);

typedef struct sluice_engine_info {
  uint32_t size;
  uint32_t n_threads, n_ctx, n_vocab;
  char device[32], isa[32];
  double load_s;
  uint64_t weight_bytes_per_token; /* weights read for one decoded token */
  uint64_t streamed_bytes_per_token; /* read from disk for it; 0: all weights are resident */
  char io[16]; /* how weights are read: "direct"; "dropped": through the page cache, which is asked to forget them, because
                  direct I/O is not possible here; "cached" (no budget was given); "callback" */
} sluice_engine_info;
#define SLUICE_ENGINE_INFO_INIT {sizeof(sluice_engine_info), 0, 0, 0, "", "", 0, 0, 0, ""}
SLUICE_API void sluice_engine_get_info(const sluice_engine* engine, sluice_engine_info* info);

/* What this machine can do at most with the engine's threads, measured now (about a second). */
typedef struct sluice_probe {
  uint32_t size;
  double read_GB_s;    /* memory read bandwidth, 1e9 bytes/s */
  double int8_GMAC_s;  /* int8 multiply-accumulates, 1e9/s, with the engine's instruction set */
} sluice_probe;
#define SLUICE_PROBE_INIT {sizeof(sluice_probe), 0, 0}
SLUICE_API sluice_status sluice_engine_probe(sluice_engine* engine, sluice_probe* probe, sluice_error* error);

/* For quantizers: from now on the engine sums the squares of what every matrix is multiplied with. Only the device
 * "reference" does it (SLUICE_USAGE); a few bytes per input column are taken from the budget. */
SLUICE_API sluice_status sluice_engine_collect_inputs(sluice_engine* engine, sluice_error* error);
/* Mean square of each input column of one matrix, by its name in the source, over *n_rows activations; `columns` must be
 * the tensor's columns. SLUICE_USAGE for what is no matrix, or before anything was collected. */
SLUICE_API sluice_status sluice_engine_input_squares(sluice_engine* engine, const char* tensor, float* means,
                                                     size_t columns, uint64_t* n_rows, sluice_error* error);

SLUICE_API sluice_status sluice_session_create(sluice_engine* engine, sluice_session** session, sluice_error* error);
SLUICE_API void sluice_session_close(sluice_session* session);

typedef struct sluice_sampling {
  uint32_t size;
  float temp;              /* <= 0: greedy, the lowest id among equals */
  int32_t top_k;           /* <= 0: off */
  float top_p, min_p;      /* >= 1 (top_p) or <= 0 (min_p): off */
  float repeat_penalty, presence_penalty, frequency_penalty; /* 1, 0, 0: off */
  int32_t penalty_last_n;  /* tokens looked back over; -1: all */
  uint64_t seed;           /* counter-based: equal seeds give equal draws on every machine */
  const int32_t* bias_tokens; /* n_bias tokens whose logits get bias_values added */
  const float* bias_values;
  size_t n_bias;
  float typical;           /* share of probability kept nearest to the expected surprise; <= 0 or >= 1: off */
  float top_h;             /* entropy kept, as a share of the whole: a usual value is 0.4; <= 0 or >= 1: off */
  float top_n_sigma;       /* standard deviations below the best logit; <= 0: off */
  float xtc_probability;   /* how often XTC drops all but the last of the top choices; <= 0: off */
  float xtc_threshold;     /* probability of a top choice; 0: 0.1, > 0.5: off */
  float dynatemp_range;    /* temp - range to temp + range, by the entropy; <= 0: off */
  float dynatemp_exponent; /* 0: 1 */
  float dry_multiplier;    /* DRY: multiplier * base^(length - allowed_length) off a repetition's logit; <= 0: off */
  float dry_base;          /* 0: 1.75, < 1: off */
  int32_t dry_allowed_length; /* 0: 2 */
  int32_t dry_penalty_last_n; /* tokens looked back over; 0: off, -1: all */
  const char* const* dry_breakers; /* n_dry_breakers texts after which repetitions count anew, at most 64 of 256 bytes; */
  size_t n_dry_breakers;           /* NULL: a line's end, ":", "\"" and "*" */
  int32_t mirostat;        /* 1 or 2: in place of all penalties and filters; 0: off */
  float mirostat_tau;      /* target surprise in bits; 0: 5 */
  float mirostat_eta;      /* learning rate; 0: 0.1 */
  float mirostat_mu;       /* 0: a new answer; else goes on exactly as the one whose result had this mirostat_mu */
} sluice_sampling;
#define SLUICE_SAMPLING_INIT                                                                                          \
  {sizeof(sluice_sampling), 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0}
/* The program's defaults overridden by the model's (design §7): temp 0.8, top_k 40, top_p 0.95, min_p 0.05, all others off.
 * Fills the struct as far as its size field, set by SLUICE_SAMPLING_INIT, reaches. */
SLUICE_API void sluice_sampling_defaults(const sluice_model* model, sluice_sampling* sampling);

typedef enum sluice_finish { SLUICE_FINISH_STOP = 0, SLUICE_FINISH_LENGTH = 1, SLUICE_FINISH_CANCELLED = 2 } sluice_finish;

typedef struct sluice_logprobs {
  float chosen;           /* natural log-probability of the token under the model (before sampling filters) */
  uint32_t n;
  int32_t tokens[20];
  float values[20];
} sluice_logprobs;

typedef struct sluice_request {
  uint32_t size;
  const int32_t* prompt;      /* the whole conversation; what the session already holds of it is reused */
  size_t n_prompt;
  uint64_t max_tokens;        /* 0: to the end of the context */
  const sluice_sampling* sampling; /* NULL: the defaults */
  const char* const* stop;    /* n_stop strings that end the answer and are not part of it */
  size_t n_stop;
  bool ignore_end;            /* go on after end tokens */
  bool text_special;          /* control tokens appear in the text */
  uint32_t n_logprobs;        /* top log-probabilities given to on_token, at most 20; 0: `logprobs` is NULL */
  /* Called for every token, also the end token; `text` is whole UTF-8 that is now certain (may be empty).
   * false cancels. May be NULL. */
  bool (*on_token)(void* user, int32_t token, const char* text, size_t length, const sluice_logprobs* logprobs);
  /* Called between prefill chunks; false cancels. May be NULL. */
  bool (*on_prefill)(void* user, size_t done, size_t total);
  void* user;
} sluice_request;
#define SLUICE_REQUEST_INIT \
  {sizeof(sluice_request), NULL, 0, 0, NULL, NULL, 0, false, false, 0, NULL, NULL, NULL}

typedef struct sluice_result {
  uint32_t size;
  sluice_finish finish;
  size_t n_prompt, n_reused, n_generated; /* tokens; n_generated includes the end token */
  double prefill_s, decode_s;
  float mirostat_mu; /* give it to the request that goes on with this answer; 0 without mirostat */
} sluice_result;
#define SLUICE_RESULT_INIT {sizeof(sluice_result), SLUICE_FINISH_STOP, 0, 0, 0, 0, 0, 0}

/* Prompt in, tokens out. SLUICE_USAGE for an empty prompt or one that does not fit the context (numbers in the
 * message). Cancelling is not a failure: result->finish says it, and the session stays usable. */
SLUICE_API sluice_status sluice_generate(sluice_session* session, const sluice_request* request, sluice_result* result,
                                         sluice_error* error);
/* Ends a running generate or feed within a layer's time; does nothing when none runs. From any thread, also from a signal
 * handler. */
SLUICE_API void sluice_session_cancel(sluice_session* session);

/* The lower door, for evaluation and own samplers. Feeds tokens after what the session holds. For each of them that
 * wants_logits (NULL: only the last) on_logits is called in order with n_vocab floats, valid during the call; false
 * cancels. */
SLUICE_API sluice_status sluice_session_feed(sluice_session* session, const int32_t* tokens, size_t n_tokens,
                                             const bool* wants_logits,
                                             bool (*on_logits)(void* user, size_t index, const float* logits), void* user,
                                             sluice_error* error);
/* Tokens held; and forgetting all after the first n. */
SLUICE_API size_t sluice_session_length(const sluice_session* session);
SLUICE_API sluice_status sluice_session_truncate(sluice_session* session, size_t n, sluice_error* error);

#ifdef __cplusplus
}
#endif
#endif
