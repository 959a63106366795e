"""Cards, checks and the Hub."""
