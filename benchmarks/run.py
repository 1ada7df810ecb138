"""All measurements, one after the other: kernels, epochs, calls, start and memory, accuracy of the vector functions."""

from __future__ import annotations

import accuracy
import calls
import epoch
import functions
import kernels
import models
import startup

if __name__ == "__main__":
    for title, module in (
        ("Kernels", kernels),
        ("Training epoch", epoch),
        ("Training steps of known models", models),
        ("Calls", calls),
        ("Functions of NumPy arrays", functions),
        ("Start and memory", startup),
        ("Vector functions", accuracy),
    ):
        print(f"\n## {title}\n")
        module.main()
