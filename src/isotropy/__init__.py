"""Symmetry in machine learning: discover, enforce and promote it with one object, the Lie derivative."""
