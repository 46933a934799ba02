"""Measures Tsunagi beside its peers: interleaved runs on one machine, raw output kept, medians with their spread."""
