"""Smaller vocabularies: the pieces that one's texts need, and their rows of an encoder's embeddings."""
