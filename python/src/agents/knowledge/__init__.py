"""The knowledge agent: it searches and reads until it can answer, and says what it did."""
