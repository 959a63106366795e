"""A page that shows what a checkpoint answers and how much of each token comes from a lower layer."""
