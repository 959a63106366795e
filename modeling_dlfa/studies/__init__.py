"""The research questions: which layer to fuse, what each layer knows, how transfer scales with languages."""
