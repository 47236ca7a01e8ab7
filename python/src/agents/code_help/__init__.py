"""Code help: explains and rewrites chosen lines of a file, within the model's real length."""
