"""Answers for a person: figures, and one HTML page that holds everything."""
