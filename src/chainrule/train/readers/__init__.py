"""Readers of data sets: files and arrays in, a Dataset out, whatever is wrong with them named."""
