"""Training and testing: arguments, systems, the runner."""
