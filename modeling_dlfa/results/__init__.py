"""What a run leaves behind: its directory, predictions, tables and figures."""
