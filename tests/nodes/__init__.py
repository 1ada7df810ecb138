"""ONNX's node tests (a development extra, never a dependency). `make agreement`."""
