"""Pages of sections: what a command found, written as Markdown and as HTML."""
