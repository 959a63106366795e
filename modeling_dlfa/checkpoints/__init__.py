"""Loading of models and tokenizers."""
