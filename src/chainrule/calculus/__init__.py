"""Reverse and forward mode over formulas: what goes in and what comes out are definitions of the language."""
