"""What commands have in common: options, errors in one line, secrets."""
