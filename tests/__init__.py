"""Tests mirror the tree; fakes behave, recordings are real, vectors name their origin."""
