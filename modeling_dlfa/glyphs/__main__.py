"""`python -m modeling_dlfa.glyphs TOKENIZER --output_dir glyphs/`."""

from .command import main

main()
