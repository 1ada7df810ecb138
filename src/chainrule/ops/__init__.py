"""The library of operations."""
