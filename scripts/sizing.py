"""Which model fits which GPU: weights and KV cache by arithmetic, as a page of the docs."""

from __future__ import annotations

from dataclasses import dataclass

GB = 1e9
CARDS_GB = (16, 24, 48, 80)
UTILISATION = 0.9
"""vLLM's own default for --gpu-memory-utilization."""
OVERHEAD_GB = 1.5
"""What CUDA, activations and graphs take beside weights and cache; vLLM logs the real figure at its start."""
BLOCK_BYTES = {"bfloat16": 2.0, "FP8": 1.0, "4 bits (AWQ, GPTQ)": 0.56}
"""Bytes a weight: 4-bit formats keep a scale for each group of 128 and leave the embeddings at 16 bits."""


@dataclass(frozen=True, slots=True)
class Model:
    """Shape of a model as its config.json has it. `parameters` in billions, `longest` in tokens."""

    name: str
    parameters: float
    layers: int
    kv_heads: int
    head_size: int
    longest: int

    def weights_gb(self, bytes_each: float) -> float:
        """Size of the weights."""
        return self.parameters * bytes_each

    def cache_bytes(self, bytes_each: int = 2) -> int:
        """KV cache of one token: a key and a value for each layer and KV head."""
        return 2 * self.layers * self.kv_heads * self.head_size * bytes_each


MODELS = (
    Model("Qwen/Qwen3-0.6B", 0.6, 28, 8, 128, 40_960),
    Model("Qwen/Qwen3-1.7B", 1.7, 28, 8, 128, 40_960),
    Model("Qwen/Qwen3-4B", 4.0, 36, 8, 128, 40_960),
    Model("Qwen/Qwen3-8B", 8.2, 36, 8, 128, 40_960),
    Model("meta-llama/Llama-3.1-8B-Instruct", 8.0, 32, 8, 128, 131_072),
    Model("Qwen/Qwen3-14B", 14.8, 40, 8, 128, 40_960),
    Model("Qwen/Qwen3-32B", 32.8, 64, 8, 128, 40_960),
    Model("meta-llama/Llama-3.3-70B-Instruct", 70.6, 80, 8, 128, 131_072),
)
"""Figures from each model's config.json and card on Hugging Face, as known in November 2026."""


def sizing_page() -> str:
    """docs/reference/vllm-memory.md."""
    parts = [_HEAD, _shapes()]
    parts += [_fits(name, bytes_each) for name, bytes_each in BLOCK_BYTES.items()]
    return "\n\n".join(parts) + "\n"


def room_tokens(model: Model, card_gb: float, bytes_each: float) -> int:
    """Tokens of KV cache that are left on a card; 0 or less: the weights alone do not fit."""
    left_gb = card_gb * UTILISATION - model.weights_gb(bytes_each) - OVERHEAD_GB
    return int(left_gb * GB / model.cache_bytes())


def _shapes() -> str:
    rows = [
        f"| {model.name} | {model.parameters:g} | {model.layers} × {model.kv_heads} × {model.head_size} "
        f"| {model.weights_gb(2):.1f} GB | {model.cache_bytes() / 1024:.0f} KiB "
        f"| {model.cache_bytes() * 8192 / GB:.2f} GB |"
        for model in MODELS
    ]
    head = (
        "| Model | Parameters (10⁹) | Layers × KV heads × head size | Weights, bfloat16 | Cache a token "
        "| Cache of 8,192 tokens |\n"
        "|---|---:|---|---:|---:|---:|"
    )
    return "\n".join([head, *rows])


def _fits(name: str, bytes_each: float) -> str:
    head = f"## Weights in {name}\n\nTokens of KV cache that are left on one card (– : does not fit).\n\n"
    columns = " | ".join(f"{card} GB" for card in CARDS_GB)
    lines = [f"| Model | {columns} |", f"|---|{'---:|' * len(CARDS_GB)}"]
    for model in MODELS:
        cells = " | ".join(_cell(model, card, bytes_each) for card in CARDS_GB)
        lines.append(f"| {model.name} | {cells} |")
    return head + "\n".join(lines)


def _cell(model: Model, card_gb: float, bytes_each: float) -> str:
    tokens = room_tokens(model, card_gb, bytes_each)
    # Less than one request of 4,096 tokens is no room to work in.
    return f"{tokens // 1000:,}k" if tokens >= 4096 else "–"


_HEAD = f"""# What fits on a GPU

Computed by `scripts/sizing.py`; `make generate` writes it again.

    weights  = parameters × bytes a weight
    cache    = tokens × 2 × layers × KV heads × head size × bytes a value (2, or 1 with --kv-cache-dtype fp8)
    tokens   = (memory × utilisation − weights − overhead) ÷ cache of one token

Memory is in units of 10⁹ bytes, utilisation {UTILISATION:g} (vLLM's default), overhead {OVERHEAD_GB:g} GB; vLLM prints
what it really found (`GPU KV cache size: … tokens`) when it starts. The cache is shared by all requests under way: 32
people at 4,096 tokens each want 131k. With `--tensor-parallel-size N` weights and cache are spread over N cards."""
