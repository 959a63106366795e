"""How transfer changes as target languages are added."""
