"""The two small vLLM servers that `archon up` starts on a machine without one: for trying and testing."""
