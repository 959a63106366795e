"""Results and studies as one page."""
