#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small random models of every family that `sluice convert FOLDER` reads, as Hugging Face folders, each with
reference.json: float32 outputs of the `transformers` library in the format of `sluice eval --reference`; and texts with the
ids that the `tokenizers` library gives them (tokens.json).

    python3 -m venv venv && venv/bin/pip install torch transformers tokenizers sentencepiece
    venv/bin/python tests/converter/make_hf_models.py FOLDER
    SLUICE_HF_MODELS=FOLDER ctest -R hf_models

Nothing is fetched: tokenizers are trained on the texts below. MiniCPM is not part of `transformers`; here it is Llama with
the three scalings written into its forward pass.
"""
import io
import json
import math
import os
import random
import sys

import sentencepiece
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers, Regex
from transformers import PreTrainedTokenizerFast

N_VOCAB = 640
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
U, D = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{U}*{D}+|[^\r\n\p{{L}}\p{{N}}]?{U}+{D}*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def corpus():
    """Any prose will do; the same on every machine, so made here."""
    rng = random.Random(1)
    syllables = ("ba be bi bo ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so ta te ti to "
                 "sch ing ed er tion ly é ü ñ ж и т 你 好").split()
    words = ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(400)]
    lines = []
    for _ in range(1500):
        line = " ".join(rng.choice(words) for _ in range(rng.randint(3, 12)))
        line = rng.choice([line, line.capitalize() + ".", line + "?!", "    " + line, line + " " + str(rng.randint(0, 9999))])
        lines.append(line)
    return lines


def texts(special):
    """Prose, odd spaces, digits, quotes, many scripts, noise; no character that a normalizer would change."""
    rng = random.Random(2)
    alphabet = "abcXYZ éüñжит你好😀'\"’.,!?0123456789\n\t  -_/{}<>|▁\u00a0\u3000½"
    out = ["", " ", "  ", "\n\n", "Hello world", " Hello  world\n\n x", "I'm we'LL 12345 a1b2", "naïve 我想 ▁q", "\t\n \r\n"]
    out += rng.sample(corpus(), 40)
    out += ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 40))) for _ in range(150)]
    out += [s + "x " + s + s + "\n y" for s in special]
    return out


def byte_level(pre, bos, ignore_merges=False, extra=()):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=N_VOCAB - len(special) - len(extra), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens([AddedToken(s, normalized=False) for s in special])
    tokenizer.add_tokens([AddedToken(s, normalized=False) for s in extra])
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|im_start|> $A", pair="<|im_start|> $A <|im_start|> $B",
            special_tokens=[("<|im_start|>", tokenizer.token_to_id("<|im_start|>"))])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>")
    fast.chat_template = TEMPLATE
    return fast


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def pieces(style):
    """SentencePiece BPE with byte fallback, as the library's converters write it: merges in the order of the scores."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, vocab_size=N_VOCAB, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=style != "gemma",
        allow_whitespace_only_pieces=True, split_digits=True, minloglevel=2,
        control_symbols=["<start_of_turn>", "<end_of_turn>"], user_defined_symbols=["[tag]"])
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocab = {sp.id_to_piece(i): i for i in range(len(sp))}
    merges = []
    for piece, i in sorted(vocab.items(), key=lambda x: x[1]):
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_byte(i) or piece == "[tag]":
            continue
        local = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in vocab and piece[k:] in vocab]
        merges += sorted(local, key=lambda x: (vocab[x[0]], vocab[x[1]]))
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    space = normalizers.Replace(" ", "▁")
    if style == "metaspace":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    else:
        tokenizer.normalizer = space if style == "gemma" else normalizers.Sequence([normalizers.Prepend("▁"), space])
    if style == "gemma":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tail = [] if style == "gemma" else [decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + tail)
    tokenizer.add_special_tokens([AddedToken(s, normalized=False, rstrip=style == "phi" and s == "<end_of_turn>")
                                  for s in ["<unk>", "<s>", "</s>", "<start_of_turn>", "<end_of_turn>"]])
    tokenizer.add_tokens([AddedToken("[tag]", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def randomize(model, seed):
    """Weights large enough that the outputs differ clearly from token to token, and no vector of ones or zeros."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        is_norm = p.dim() == 1 and "norm" in name
        with torch.no_grad():
            p.copy_((0.0 if "gemma" in type(model).__name__.lower() else 1.0) + 0.2 * noise if is_norm else
                    0.3 * noise if p.dim() == 1 else noise / math.sqrt(p.shape[1]) * (0.6 if "embed" in name else 1.2))


class MiniCpm(transformers.LlamaForCausalLM):
    """Llama whose embeddings, branches and outputs are scaled (arXiv 2404.06395, section 3)."""

    def __init__(self, config):
        super().__init__(config)
        scale = config.scale_depth / math.sqrt(config.num_hidden_layers)
        self.model.embed_tokens.register_forward_hook(lambda m, i, out: out * config.scale_emb)
        for layer in self.model.layers:
            layer.mlp.register_forward_hook(lambda m, i, out: out * scale)
            layer.self_attn.register_forward_hook(lambda m, i, out: (out[0] * scale,) + out[1:])
        self.lm_head.register_forward_pre_hook(lambda m, i: (i[0] / (config.hidden_size / config.dim_model_base),))


def reference(folder, name, model, tokenizer):
    cases = []
    rng = random.Random(3)
    for i, (n_prompt, n_answer) in enumerate([(5, 8), (1, 4), (40, 16)]):
        prompt = tokenizer.decode([rng.randrange(300, 600) for _ in range(n_prompt)])
        ids = [rng.randrange(tokenizer.vocab_size) for _ in range(n_prompt)]
        tokens, top = [], []
        for _ in range(n_answer):
            with torch.no_grad():
                logits = model(torch.tensor([ids + tokens])).logits[0, -1].double()
            logp = torch.log_softmax(logits, -1)
            best = torch.topk(logp, 20)
            top.append([[int(t), float(p)] for p, t in zip(best.values, best.indices)])
            tokens.append(int(best.indices[0]))
        cases.append({"id": f"random-{i}", "prompt": prompt, "prompt_tokens": ids, "tokens": tokens, "text": "", "top": top})
    how = f"transformers {transformers.__version__}, torch {torch.__version__}, float32, whole context at every step"
    with open(os.path.join(folder, "reference.json"), "w") as f:
        json.dump({"model": name, "how": how, "cases": cases}, f)


def token_vectors(folder, tokenizer):
    raw = tokenizer.backend_tokenizer
    # Metaspace leaves out the space before text that begins with one; the converter says that it does not.
    metaspace = "Metaspace" in str(raw.pre_tokenizer)
    special = [t.content for t in raw.get_added_tokens_decoder().values()]
    vectors = [{"text": t, "tokens": raw.encode(t, add_special_tokens=False).ids} for t in texts(special)
               if not (metaspace and t.startswith((" ", "▁")))]
    with open(os.path.join(folder, "tokens.json"), "w") as f:
        json.dump(vectors, f)


def make(out, name, config, tokenizer, dtype=torch.float32, cls=None, shard="1GB", edit=None):
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    config.vocab_size = N_VOCAB
    config._attn_implementation = "eager"
    model = (cls or transformers.AutoModelForCausalLM.from_config)(config).eval()
    randomize(model, seed=len(name))
    for p in model.parameters():  # not the buffers: frequencies stay exact
        p.data = p.data.to(dtype)
    model.save_pretrained(folder, max_shard_size=shard)
    for p in model.parameters():
        p.data = p.data.to(torch.float32)
    tokenizer.save_pretrained(folder)
    with open(os.path.join(folder, "generation_config.json"), "w") as f:
        json.dump({"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05}, f)
    if edit:
        edit(folder)
    reference(folder, name, model, tokenizer)
    token_vectors(folder, tokenizer)
    print(name, sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)) // 1024, "KB")


def as_image_model(folder):
    """The names and the nested configuration that models with an image part have, with one tensor of that part."""
    from safetensors.torch import load_file, save_file
    path = os.path.join(folder, "model.safetensors")
    tensors = {"language_model." + k: v for k, v in load_file(path).items()}
    tensors["vision_tower.patch.weight"] = torch.zeros(4, 4, dtype=torch.int8)
    save_file(tensors, path, metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json")) as f:
        text = json.load(f)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config": text}, f)


def as_old_config(folder):
    """rope_theta and rope_scaling as they were spelled before transformers 5."""
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    rope["type"] = rope.pop("rope_type")
    if rope["type"] != "default":
        config["rope_scaling"] = rope
    with open(path, "w") as f:
        json.dump(config, f)


def main(out):
    t = transformers
    sizes = dict(hidden_size=64, intermediate_size=112, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512)
    gpt2 = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), bos=False)
    smollm = byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False)]), bos=False)
    make(out, "llama", t.LlamaConfig(num_hidden_layers=3, tie_word_embeddings=False, rms_norm_eps=1e-5, rope_parameters=dict(
        rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=64), **sizes), byte_level(split(LLAMA3), bos=True, ignore_merges=True), shard="100KB")
    make(out, "llama-old", t.LlamaConfig(num_hidden_layers=2, tie_word_embeddings=True, attention_bias=True, rope_parameters=dict(
        rope_type="linear", rope_theta=50000.0, factor=2.0), **sizes), smollm, edit=as_old_config)
    make(out, "mistral", t.MistralConfig(num_hidden_layers=2, head_dim=32, sliding_window=16, **sizes), pieces("metaspace"),
         dtype=torch.bfloat16)
    make(out, "mistral-tekken", t.MistralConfig(num_hidden_layers=1, sliding_window=None, **sizes),
         byte_level(split(TEKKEN), bos=True, ignore_merges=True))
    make(out, "qwen2", t.Qwen2Config(num_hidden_layers=3, tie_word_embeddings=True, use_sliding_window=True, sliding_window=12,
         max_window_layers=1, rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
         original_max_position_embeddings=128), **sizes), byte_level(split(QWEN2), bos=False, extra=["<tool_call>"]),
         dtype=torch.float16)
    make(out, "qwen3", t.Qwen3Config(num_hidden_layers=2, head_dim=32, tie_word_embeddings=False, **sizes), gpt2)
    gemma = dict(num_hidden_layers=7, head_dim=32, sliding_window=12, query_pre_attn_scalar=24, hidden_size=48, intermediate_size=96,
                 num_attention_heads=4, num_key_value_heads=1, max_position_embeddings=512, rope_parameters=dict(
                     full_attention=dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                     sliding_attention=dict(rope_type="default", rope_theta=1e4)))
    make(out, "gemma3", t.Gemma3TextConfig(**gemma), pieces("gemma"))
    make(out, "gemma3-image", t.Gemma3TextConfig(**gemma), pieces("gemma"), edit=as_image_model)
    factors = dict(short_factor=[1.0, 1.1, 1.3, 1.5], long_factor=[1.0, 2.0, 4.0, 8.0])
    make(out, "phi3", t.Phi3Config(num_hidden_layers=2, pad_token_id=0, partial_rotary_factor=0.5,
         original_max_position_embeddings=64, rope_parameters=dict(rope_type="longrope", rope_theta=10000.0,
         partial_rotary_factor=0.5, original_max_position_embeddings=64, **factors), **sizes), pieces("phi"), dtype=torch.bfloat16)
    make(out, "minicpm", t.LlamaConfig(num_hidden_layers=4, tie_word_embeddings=True, scale_emb=12, scale_depth=1.4,
         dim_model_base=16, **sizes), pieces("llama"), cls=MiniCpm, edit=lambda folder: patch_type(folder, "minicpm"))


def patch_type(folder, model_type):
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    config["model_type"], config["architectures"] = model_type, ["MiniCPMForCausalLM"]
    with open(path, "w") as f:
        json.dump(config, f)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
