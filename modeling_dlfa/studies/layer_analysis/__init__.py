"""What the layers of an encoder hold."""
