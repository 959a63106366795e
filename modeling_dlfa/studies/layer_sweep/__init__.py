"""Which layer to fuse."""
