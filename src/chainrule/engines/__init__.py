"""Two ways to compute a formula: literally (reference) and as machine code (native)."""
