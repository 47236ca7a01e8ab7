"""Chat with retrieval: a context within the model's length, a streamed answer, and what supports each sentence."""
