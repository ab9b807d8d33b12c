"""Pictures drawn on the server as SVG: they need no script and print like text."""
