"""Turn a small Llama-family GGUF file into a folder that vLLM can serve (bfloat16 safetensors and tokenizer).

Run by the local vLLM's own Python, which has transformers, gguf and accelerate:

    python gguf_to_safetensors.py FILE.gguf TARGET_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM


def convert(gguf: Path, target: Path) -> None:
    """Write `target` (a folder that must not exist) from `gguf`."""
    folder, name = str(gguf.parent), gguf.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16)
    config = loaded.config
    # save_pretrained refuses a model that is still marked as quantised, although its weights no longer are.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = LlamaForCausalLM(config).to(torch.bfloat16)
    fresh.load_state_dict(loaded.state_dict())
    # What the model's card recommends, as the server's defaults: at temperature 1 so small a model writes nonsense.
    fresh.generation_config.update(do_sample=True, temperature=0.2, top_p=0.9)
    target.mkdir(parents=True)
    fresh.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
