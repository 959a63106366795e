"""Results and studies on one page."""
