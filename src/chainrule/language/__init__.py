"""Text to formula and back: index expressions, the tree, the parser, ranges, sizes, printing."""
